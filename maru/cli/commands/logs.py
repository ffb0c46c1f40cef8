"""`maru logs`: the log of one component or process, as lines for people or as JSON."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from maru.boot.processes import PROCESSES
from maru.cli.log_lines import fields_of, for_people
from maru.cli.terminal import say
from maru.core.errors import NotFound

FOLLOW_S = 0.2


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", nargs="?", default="", help="a component or a process; all if left out")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as more comes")
    parser.add_argument("-n", "--tail", type=int, default=200, metavar="N", help="the last N lines (default 200)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """Raises NotFound for a component there is not, or before the first start."""
    paths = _paths(arguments.data_dir / "log", arguments.component)
    kept = [line for path in paths for line in path.read_text(errors="replace").splitlines()]
    wanted = [line for line in kept if _concerns(line, arguments.component)]
    for line in sorted(wanted, key=lambda line: str(fields_of(line).get("at", "")))[-arguments.tail :]:
        say(line if arguments.output == "json" else for_people(line))
    if arguments.follow:
        for line in _more(paths):
            if _concerns(line, arguments.component):
                say(line if arguments.output == "json" else for_people(line))
    return 0


def _paths(folder: Path, component: str) -> list[Path]:
    processes = [name for name, parts in PROCESSES.items() if not component or component == name or component in parts]
    known = [*processes, "one", "supervisor"] if processes else ["one"] if component == "one" else []
    paths = [folder / f"{name}.log" for name in known if (folder / f"{name}.log").exists()]
    if not paths:
        raise NotFound(
            what=f"logs of {component or 'Maru'}", why=f"{folder} has none", fix="see `maru status` for names"
        )
    return paths


def _concerns(line: str, component: str) -> bool:
    facts = fields_of(line)
    return not component or not facts or component in PROCESSES or facts.get("component") == component


def _more(paths: list[Path]) -> Iterator[str]:
    files = [path.open(errors="replace") for path in paths]
    for file in files:
        file.seek(0, 2)
    while True:
        for file in files:
            yield from (line.rstrip("\n") for line in file)
        time.sleep(FOLLOW_S)
