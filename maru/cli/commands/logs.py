"""`maru logs`: the log of one component or process, as lines for people or as JSON."""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from maru.boot.processes import ONE, PROCESSES
from maru.cli.log_lines import fields_of, for_people
from maru.cli.terminal import say
from maru.core.errors import NotFound

FOLLOW_S = 0.2
SUPERVISOR = "supervisor"
PROCESS_LOGS = (*PROCESSES, ONE, SUPERVISOR)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", nargs="?", default="", help="a component or a process; all if left out")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as more comes")
    parser.add_argument("-n", "--tail", type=_count, default=200, metavar="N", help="the last N lines (default 200)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """Raises NotFound for a component there is not, or before the first start."""
    component: str = arguments.component
    folder = arguments.data_dir / "log"
    followed = [Followed(path) for path in _paths(folder, component)]
    kept: deque[tuple[str, str]] = deque(maxlen=arguments.tail)  # (when, line)
    for when, line in sorted((entry for log in followed for entry in log.kept()), key=lambda entry: entry[0]):
        if _concerns(line, component):
            kept.append((when, line))
    for _, line in kept:
        _show(line, arguments.output)
    while arguments.follow:
        for log in followed:
            for line in log.more():
                if _concerns(line, component):
                    _show(line, arguments.output)
        time.sleep(FOLLOW_S)
    return 0


class Followed:
    """One log on disk, read on as it grows and as it is moved away for a fresh one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open(errors="replace")
        self._part = ""

    def kept(self) -> Iterator[tuple[str, str]]:
        """All lines there are, the moved log's first, each with its time; a traceback has that of its line."""
        when = ""
        before = self._path.with_suffix(".log.1")
        lines = before.read_text(errors="replace").splitlines() if before.exists() else []
        for line in [*lines, *self._whole_lines()]:
            when = str(fields_of(line).get("at", when))
            yield when, line

    def more(self) -> Iterator[str]:
        """What came since, with the rest of a log that was moved away before the fresh one."""
        yield from self._whole_lines()
        try:
            is_moved = self._path.stat().st_ino != Path(f"/proc/self/fd/{self._file.fileno()}").stat().st_ino
        except FileNotFoundError:
            return  # moved, and the fresh one not there yet
        if is_moved:
            yield from self._whole_lines()
            self._file.close()
            self._file = self._path.open(errors="replace")
            yield from self._whole_lines()

    def _whole_lines(self) -> Iterator[str]:
        for text in self._file:
            self._part += text
            if self._part.endswith("\n"):
                yield self._part.rstrip("\n")
                self._part = ""


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("a number of lines, 0 or more")
    return int(text)


def _paths(folder: Path, component: str) -> Sequence[Path]:
    known = {part for parts in PROCESSES.values() for part in parts}
    if component and component not in PROCESS_LOGS and component not in known:
        names = ", ".join([*PROCESS_LOGS, *sorted(known - {"store", "remote", "informers"})])
        raise NotFound(what=f"component {component!r}", why="there is none of that name", fix=f"choose among {names}")
    wanted = [
        name
        for name in PROCESS_LOGS
        if component in ("", name) or (name == ONE and component in known) or component in PROCESSES.get(name, ())
    ]
    paths = [path for name in wanted if (path := folder / f"{name}.log").exists()]
    if not paths:
        why = f"{folder} has none"
        raise NotFound(
            what=f"logs of {component or 'Maru'}", why=why, fix="run `maru up`; `maru status` shows what runs"
        )
    return paths


def _concerns(line: str, component: str) -> bool:
    facts = fields_of(line)
    return not component or not facts or component in PROCESS_LOGS or facts.get("component") == component


def _show(line: str, output: str) -> None:
    say(line if output == "json" else for_people(line))
