"""`maru down`: stop Maru and its workloads, and leave nothing on the machine but the documents."""

from __future__ import annotations

import argparse

from maru.cli import supervised
from maru.cli.terminal import say


def add(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Idempotent; works also after a crash."""
    supervised.must_be_root(arguments.data_dir, "down")
    with supervised.at_work(arguments.data_dir, "down"):
        was_running = supervised.stop(arguments.data_dir)
        supervised.tear_down(arguments.data_dir)
    say("Maru is down; its documents are kept." if was_running else "Maru was not running; nothing of it is left.")
    return 0
