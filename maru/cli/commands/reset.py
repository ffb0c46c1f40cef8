"""`maru reset`: down, and every document, image and volume deleted."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from maru.boot.site_file import FILE, read
from maru.cli import supervised
from maru.cli.terminal import say
from maru.core.errors import Denied


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    """Raises NotFound where no platform stands, Denied when the person says no."""
    data_dir: Path = arguments.data_dir
    read(data_dir)  # never delete a folder that is not ours
    if not arguments.yes and input(f"Delete everything in {data_dir}? [y/N] ").strip().lower() != "y":
        raise Denied(what="maru reset", why="not confirmed", fix="answer y, or give --yes")
    supervised.stop(data_dir)
    supervised.tear_down(data_dir)
    for entry in sorted(data_dir.iterdir(), key=lambda path: path.name == FILE):
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    say(f"{data_dir} is empty.")
    return 0
