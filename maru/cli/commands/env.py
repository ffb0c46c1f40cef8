"""`maru env`: what a shell must export so that the clients people have find this platform."""

from __future__ import annotations

import argparse
import shlex

import msgspec

from maru.boot.site_file import read, site
from maru.cli.terminal import say
from maru.core.site import PORT_AWS, PORT_ELASTIC, Site

AWS_CREDENTIALS = "aws-credentials.json"
AWS_REGION = "us-east-1"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("shell", "json"), default="shell")


def run(arguments: argparse.Namespace) -> int:
    """Works while Maru is down, too: the values do not change. Raises NotFound."""
    values = variables(site(arguments.data_dir, read(arguments.data_dir)))
    if arguments.output == "json":
        say(msgspec.json.encode(values).decode())
    else:
        for name, value in values.items():
            say(f"export {name}={shlex.quote(value)}")
    return 0


def variables(here: Site) -> dict[str, str]:
    """The variables by name; only those of parts that are there."""
    values = {"KUBECONFIG": str(here.data_dir / "kubeconfig"), "DOCKER_HOST": f"unix://{here.socket('docker')}"}
    values["CONTAINER_HOST"] = f"unix://{here.socket('podman')}"
    values["ELASTICSEARCH_URL"] = f"http://{here.listen}:{here.port(PORT_ELASTIC)}"
    return values | _of_aws(here)


def _of_aws(here: Site) -> dict[str, str]:
    """Where AWS is and the first account's key; nothing if AWS never ran here or the key is not ours to read."""
    try:
        kept = msgspec.json.decode((here.data_dir / AWS_CREDENTIALS).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}
    return {
        "AWS_ENDPOINT_URL": f"http://{here.listen}:{here.port(PORT_AWS)}",
        "AWS_ACCESS_KEY_ID": kept["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": kept["secretAccessKey"],
        "AWS_DEFAULT_REGION": AWS_REGION,
        "AWS_REGION": AWS_REGION,
    }
