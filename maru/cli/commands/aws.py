"""`maru aws`: explain (which statement of which policy decides) and coverage (what of each service is done).

Both ask the running platform over unix sockets that belong to its owner.
"""

from __future__ import annotations

import argparse
import io

import msgspec

from maru.boot.site_file import read, site
from maru.cli import local_http
from maru.cli.terminal import BOLD, DIM, GREEN, RED, colour, say, table
from maru.core.document import Value
from maru.core.errors import NotFound
from maru.core.site import Site

IAM_SOCKET, FRONT_SOCKET = "aws-iam", "aws-front"
_EXPLAIN = """examples:
  maru aws explain arn:aws:iam::123456789012:user/ann s3:GetObject arn:aws:s3:::photos/a.jpg
  maru aws explain arn:aws:iam::123456789012:role/worker kms:Decrypt arn:aws:kms:us-east-1:123456789012:key/ID -o json
  maru aws explain arn:aws:iam::123456789012:user/ann s3:ListBucket arn:aws:s3:::photos --context s3:prefix=a/
"""
_COVERAGE = """examples:
  maru aws coverage
  maru aws coverage iam
  maru aws coverage s3 -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    layout = argparse.RawDescriptionHelpFormatter
    help_text = "which statement of which policy decides whether somebody may do something"
    explain = actions.add_parser(
        "explain", help=help_text, description=help_text, epilog=_EXPLAIN, formatter_class=layout
    )
    explain.add_argument("principal", metavar="PRINCIPAL_ARN", help="a user, role, session, root user or service")
    explain.add_argument("service_action", metavar="ACTION", help="as in kms:Encrypt")
    explain.add_argument("resource", metavar="RESOURCE", nargs="?", default="*", help='an ARN ("*")')
    explain.add_argument(
        "--context", metavar="KEY=VALUE", type=_pair, nargs="+", action="extend", default=[],
        help="condition keys; a key that is given again has several values",
    )  # fmt: skip
    explain.add_argument("-o", "--output", choices=("table", "json"), default="table")
    help_text = "operations that are done, of those in the service's model"
    coverage = actions.add_parser(
        "coverage", help=help_text, description=help_text, epilog=_COVERAGE, formatter_class=layout
    )
    coverage.add_argument("service", metavar="SERVICE", nargs="?", help="one service, with the operations it lacks")
    coverage.add_argument("-o", "--output", choices=("table", "json"), default="table")


def run(arguments: argparse.Namespace) -> int:
    """Explain: exit code 0 if it is allowed, 1 if not. Raises what the platform answers, or Unavailable."""
    here = site(arguments.data_dir, read(arguments.data_dir))
    return _explain(here, arguments) if arguments.action == "explain" else _coverage(here, arguments)


def _explain(here: Site, arguments: argparse.Namespace) -> int:
    context: dict[str, list[str]] = {}
    for name, value in arguments.context:
        context.setdefault(name, []).append(value)
    asked = {
        "principal": arguments.principal,
        "action": arguments.service_action,
        "resource": arguments.resource,
        "context": context,
    }
    body = io.BytesIO(msgspec.json.encode(asked))
    told: Value = msgspec.json.decode(local_http.request(here.socket(IAM_SOCKET), "POST", "/explain", body).read())
    is_allowed = told["decision"] == "allowed"
    if arguments.output == "json":
        say(msgspec.json.encode(told).decode())
    else:
        _show(told, is_allowed=is_allowed)
    return 0 if is_allowed else 1


def _show(told: Value, *, is_allowed: bool) -> None:
    say(f"{colour(told['decision'], GREEN if is_allowed else RED)}: {told['explanation']}")
    rows = [
        (
            "*" if one["decided"] else "",
            one["layer"],
            one["policy"],
            one["statement"],
            colour(one["effect"], GREEN if one["effect"] == "Allow" else RED),
        )
        for one in told["statements"]
    ]
    say()
    if rows:
        say(table(("", "LAYER", "POLICY", "STATEMENT", "EFFECT"), rows))
        return
    held = [(layer, name) for layer, names in told["policies"].items() for name in names]
    say(colour("No statement is about this. Policies that bear on it:" if held else "No policy bears on it.", DIM))
    if held:
        say(table(("LAYER", "POLICY"), held))


def _coverage(here: Site, arguments: argparse.Namespace) -> int:
    services = msgspec.json.decode(local_http.request(here.socket(FRONT_SOCKET), "GET", "/coverage").read())
    if arguments.service is not None:
        services = [one for one in services if one["service"] == arguments.service]
        if not services:
            raise NotFound(what=f"service {arguments.service}", why="it is not here", fix="see `maru aws coverage`")
    if arguments.output == "json":
        say(msgspec.json.encode(services).decode())
        return 0
    rows = []
    for one in services:
        done, every = len(one["done"]), len(one["done"]) + len(one["missing"])
        rows.append((one["service"], str(done), str(every), f"{100 * done // every}%"))
    say(table(("SERVICE", "DONE", "IN THE MODEL", "SHARE"), rows))
    if arguments.service is not None and services[0]["missing"]:
        say()
        say(colour("NOT DONE", BOLD))
        for name in services[0]["missing"]:
            say(name)
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError("as KEY=VALUE, such as aws:SourceIp=10.0.0.1")
    return name, value
