"""`maru search`: documents of the platform's indices by Lucene's syntax, newest first.

It asks the search port as anybody could: POST /INDEX/_search with a query_string.
"""

from __future__ import annotations

import argparse
import re
import urllib.error
import urllib.request

import msgspec

from maru.boot.site_file import read, site
from maru.cli.terminal import say
from maru.core.document import Value
from maru.core.errors import MaruError, Unavailable
from maru.core.site import PORT_ELASTIC

TIMEOUT_S = 30.0
SIZE_MAX = 10_000


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", default="*", help="as in 'level:error AND message:timeout'")
    parser.add_argument(
        "--index", default="*", metavar="PATTERN", help="indices, aliases or data streams; all by default"
    )
    parser.add_argument(
        "--since", type=_since, default=None, metavar="AGE", help="only what is younger: 30s, 15m, 1h, 7d"
    )
    parser.add_argument("-n", "--size", type=_size, default=20, help="documents at most (20)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when something was found, 1 when nothing. Raises Unavailable, or what search complains of."""
    here = site(arguments.data_dir, read(arguments.data_dir))
    must: list[Value] = [{"query_string": {"query": arguments.query}}]
    if arguments.since:
        must.append({"range": {"@timestamp": {"gte": f"now-{arguments.since}"}}})
    newest = {"@timestamp": {"order": "desc", "unmapped_type": "date"}}
    body = {"query": {"bool": {"filter": must}}, "sort": [newest], "size": arguments.size}
    url = f"http://{here.listen}:{here.port(PORT_ELASTIC)}/{arguments.index}/_search"
    hits = _asked(url, body)["hits"]["hits"]
    for hit in hits:
        say(msgspec.json.encode(hit).decode() if arguments.output == "json" else _line(hit))
    return 0 if hits else 1


def _asked(url: str, body: Value) -> Value:
    request = urllib.request.Request(url, msgspec.json.encode(body), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own address
            told: Value = msgspec.json.decode(answer.read())
            return told
    except urllib.error.HTTPError as error:
        raise MaruError(what="search", why=_reason(error.read())) from error
    except OSError as error:
        raise Unavailable(
            what="search", why=f"nothing answers on {url}", fix="run `maru up`, or see `maru status`"
        ) from error


def _reason(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body)["error"]
        return str(error if isinstance(error, str) else error["root_cause"][0]["reason"])
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        return body.decode(errors="replace").strip()


def _line(hit: Value) -> str:
    source = dict(hit.get("_source", {}))
    moment = str(source.pop("@timestamp", "-"))
    message = source.pop("message", None)
    rest = message if message is not None else msgspec.json.encode(source).decode()
    return f"{moment}  {hit['_index']}  {rest}"


def _since(text: str) -> str:
    if not re.fullmatch(r"\d+[smhdwMy]", text):
        raise argparse.ArgumentTypeError("an age such as 30s, 15m, 1h or 7d")
    return text


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) > SIZE_MAX:
        raise argparse.ArgumentTypeError(f"a number of documents, 0 to {SIZE_MAX}")
    return int(text)
