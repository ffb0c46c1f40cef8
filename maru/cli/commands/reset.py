"""`maru reset`: down, and every document, image and volume deleted."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from maru.boot.site_file import FILE
from maru.cli import supervised
from maru.cli.terminal import say
from maru.core.errors import Denied, NotFound


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    """Raises NotFound where no platform stands, Denied when the person says no."""
    data_dir: Path = arguments.data_dir
    _refuse_foreign(data_dir)
    if not arguments.yes and not _is_confirmed(data_dir):
        raise Denied(what="maru reset", why="not confirmed", fix="answer y, or give --yes")
    with supervised.at_work(data_dir, "reset"):
        supervised.stop(data_dir)
        supervised.tear_down(data_dir)
        for entry in sorted(data_dir.iterdir(), key=lambda path: path.name == FILE):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    say(f"{data_dir} is empty.")
    return 0


def _refuse_foreign(data_dir: Path) -> None:
    """Never delete a folder that is not ours, however well site.json reads."""
    try:
        supervised.must_be_root(data_dir, "reset")
    except NotFound as error:
        fix = "check the path; nothing was deleted"
        raise NotFound(what=f"a Maru platform in {data_dir}", why=f"{error.why}", fix=fix) from error


def _is_confirmed(data_dir: Path) -> bool:
    try:
        return input(f"Delete everything in {data_dir}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
