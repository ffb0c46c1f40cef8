"""`maru env`: what a shell must export so that the clients people have find this platform."""

from __future__ import annotations

import argparse
import shlex

import msgspec

from maru.boot.site_file import read, site
from maru.cli.terminal import say
from maru.core.site import Site


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
    return {"KUBECONFIG": str(here.data_dir / "kubeconfig"), "DOCKER_HOST": f"unix://{here.socket('docker')}"}
