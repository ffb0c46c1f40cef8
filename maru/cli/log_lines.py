"""A line of a worker's log: its facts, and how people like to read it."""

from __future__ import annotations

import msgspec

from maru.cli.terminal import DIM, RED, YELLOW, colour
from maru.core.document import Value

COLOURS = {"warning": YELLOW, "error": RED}


def fields_of(line: str) -> Value:
    """The facts of a log line; empty when it is not one of ours (a traceback)."""
    try:
        facts = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return {}
    return facts if isinstance(facts, dict) else {}


def for_people(line: str) -> str:
    """Time, level, component, message, then the facts; a line that is not ours as it is."""
    facts = fields_of(line)
    if not facts:
        return line
    at, level = str(facts.pop("at", "")), str(facts.pop("level", ""))
    component, message = str(facts.pop("component", "")), str(facts.pop("message", ""))
    rest = " ".join(f"{name}={value}" for name, value in facts.items())
    told = colour(level.ljust(7), COLOURS[level]) if level in COLOURS else level.ljust(7)
    return f"{colour(at[11:23], DIM)} {told} {component.ljust(12)} {message} {colour(rest, DIM)}".rstrip()
