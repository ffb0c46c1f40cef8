"""`maru restart`: a new Maru over the same workloads, which keep running."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from maru.boot.settings import settings_of
from maru.cli import supervised
from maru.cli.readiness import wait_ready
from maru.cli.terminal import say


def add(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Raises NotFound when nothing was ever started in the folder."""
    data_dir: Path = arguments.data_dir
    supervised.must_be_root(data_dir, "restart")
    settings_of(data_dir)  # a mistake in them must not end what runs
    began = time.monotonic()
    with supervised.at_work(data_dir, "restart"):
        supervised.stop(data_dir)
        supervised.start(data_dir, foreground=False)
        wait_ready(data_dir, began)
    say(f"Maru runs anew after {time.monotonic() - began:.1f} s; its workloads never stopped.")
    return 0
