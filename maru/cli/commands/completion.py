"""`maru completion`: a script that completes the commands and options of maru in a shell."""

from __future__ import annotations

import argparse

import shtab

from maru.cli.terminal import say


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(arguments: argparse.Namespace) -> int:
    """`arguments.root` is the whole command line's parser."""
    say(shtab.complete(arguments.root, arguments.shell))
    return 0
