"""`maru restart`: a new Maru over the same workloads, which keep running."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from maru.boot.site_file import read
from maru.cli import supervised
from maru.cli.readiness import wait_ready
from maru.cli.terminal import say


def add(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Raises NotFound when nothing was ever started in the folder."""
    data_dir: Path = arguments.data_dir
    read(data_dir)
    began = time.monotonic()
    supervised.stop(data_dir)
    supervised.start(data_dir, foreground=False)
    wait_ready(data_dir, began)
    say(f"Maru runs anew after {time.monotonic() - began:.1f} s; its workloads never stopped.")
    return 0
