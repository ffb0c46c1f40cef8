"""`maru join`: make this machine a node of another one's platform."""

from __future__ import annotations

import argparse

from maru.core.errors import NotSupported


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", help="https://HOST:PORT of the platform to join")


def run(arguments: argparse.Namespace) -> int:
    """Raises NotSupported: a platform has one node so far."""
    raise NotSupported(
        what=f"maru join {arguments.server}", why="a platform has one node so far", fix="run `maru up` on one machine"
    )
