"""Tables of measurements: what, aim, measured, and how a peer did."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import msgspec

Say = Callable[[str], None]
"""Shows what is being measured right now."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure in words. aim: empty where none was set. peer: the same done by something else, with the ratio."""

    what: str
    measured: str
    aim: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A section's figures."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, measured: str, aim: str = "", peer: str = "") -> None:
        self.rows.append(Row(what, measured, aim, peer))


def progress(text: str) -> None:
    """One line that is overwritten, where there is a terminal to see it."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K  {text}" if text else "\r\x1b[2K", end="", file=sys.stderr, flush=True)


def as_text(tables: Sequence[Table]) -> str:
    """All tables, aligned with each other."""
    heads = ("what", "aim", "measured", "peer")
    rows = [(row.what, row.aim, row.measured, row.peer) for table in tables for row in table.rows]
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    lines = []
    for table in tables:
        lines += [f"\n{table.title}", _line(heads, widths)]
        lines += [_line((row.what, row.aim, row.measured, row.peer), widths) for row in table.rows]
    return "\n".join(lines)


def as_json(tables: Sequence[Table]) -> str:
    return msgspec.json.format(msgspec.json.encode([asdict(table) for table in tables]), indent=2).decode()


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    what, *figures = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"  {what}  {'  '.join(figures)}".rstrip()


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` (0..1) of `values` do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def spread_ms(seconds: Sequence[float]) -> str:
    """Median and 99th percentile, in milliseconds."""
    return f"{statistics.median(seconds) * 1000:.1f} ms, p99 {quantile(seconds, 0.99) * 1000:.1f} ms"
