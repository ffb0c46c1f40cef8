"""Processes of a container, by podman's descriptors or ps's own arguments.

Source: podman-top(1), "FORMAT DESCRIPTORS"; containers/psgo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maru.core.document import Value
from maru.core.errors import Invalid

DEFAULT = "user pid ppid pcpu etime tty time args"

_COLUMNS: Mapping[str, tuple[str, str]] = {
    "args": ("args", "COMMAND"),
    "comm": ("comm", "COMMAND"),
    "etime": ("etime", "ELAPSED"),
    "group": ("group", "GROUP"),
    "groups": ("supgrp", "GROUPS"),
    "hpid": ("pid", "HPID"),
    "huser": ("user", "HUSER"),
    "hgroup": ("group", "HGROUP"),
    "nice": ("nice", "NI"),
    "pcpu": ("pcpu", "%CPU"),
    "pgid": ("pgid", "PGID"),
    "pid": ("pid", "PID"),
    "ppid": ("ppid", "PPID"),
    "rgroup": ("rgroup", "RGROUP"),
    "ruser": ("ruser", "RUSER"),
    "state": ("state", "STATE"),
    "stime": ("stime", "STIME"),
    "time": ("time", "TIME"),
    "tty": ("tty", "TTY"),
    "user": ("user", "USER"),
    "vsz": ("vsz", "VSZ"),
}
"""Descriptors: ps's name for it, and the title."""


@dataclass(frozen=True, slots=True)
class Columns:
    """arguments: of ps, whose first column is the pid where there are titles; titles: podman's, () for ps's own."""

    arguments: str
    titles: tuple[str, ...] = ()


def asked_columns(asked: Sequence[str]) -> Columns:
    """Raises Invalid for a descriptor there is not."""
    words = [word for text in asked for word in text.replace(",", " ").split()]
    if asked and any(word.startswith("-") for word in words):
        return Columns(" ".join(asked))
    if words and words[0] not in _COLUMNS and all(word in ("aux", "ax", "ef", "e", "f") for word in words):
        return Columns(" ".join(asked))
    names = words or DEFAULT.split()
    for name in names:
        if name not in _COLUMNS:
            raise Invalid(what=f"unknown descriptor: {name}", why="")
    # The command may have spaces: it is told apart as the last column, and put in its place afterwards.
    return Columns("-eo pid," + ",".join(f"{_COLUMNS[name][0]}" for name in _wide_last(names)), tuple(names))


def shown_processes(listed: Value, columns: Columns) -> Value:
    """Titles and Processes out of what ps said."""
    if not columns.titles:
        return {"Titles": listed["Titles"], "Processes": listed["Processes"]}
    order = _wide_last(columns.titles)
    places = [order.index(name) + 1 for name in columns.titles]
    titles = [_COLUMNS[name][1] for name in columns.titles]
    return {"Titles": titles, "Processes": [[row[place] for place in places] for row in listed["Processes"]]}


def _wide_last(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: name == "args")
