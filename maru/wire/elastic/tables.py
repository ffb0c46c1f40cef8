"""The tables of `_cat`: columns chosen, sorted and padded as the server does it.

Source: Elasticsearch reference, "Compact and aligned text (CAT) APIs".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from maru.wire.elastic.json import Json, Object


class ColumnFault(ValueError):
    """A column that is not there."""


@dataclass(frozen=True, slots=True)
class Column:
    """aliases: other names, comma-separated. shown: without being asked for. right: numbers."""

    name: str
    aliases: str
    about: str
    shown: bool = True
    right: bool = False


def help_text(columns: Sequence[Column]) -> str:
    """What `?help` prints."""
    names = max(len(column.name) for column in columns)
    aliases = max(len(column.aliases or "-") for column in columns)
    abouts = max(len(column.about) for column in columns)
    return "".join(
        f"{column.name.ljust(names)} | {(column.aliases or '-').ljust(aliases)} | {column.about.ljust(abouts)} \n"
        for column in columns
    )


def chosen(columns: Sequence[Column], asked: str) -> list[tuple[str, Column]]:
    """(heading, column) of `?h=`; those shown by themselves when it is empty. Unknown names are passed over."""
    if not asked:
        return [(column.name, column) for column in columns if column.shown]
    found = []
    for name in asked.split(","):
        for column in columns:
            names = [column.name, *filter(None, column.aliases.split(","))]
            if name in names:
                found.append((name, column))
                break
            if "*" in name and fnmatchcase(column.name, name):
                found.append((column.name, column))
    return found


def ordered(rows: Sequence[Object], columns: Sequence[Column], keys: str) -> list[Object]:
    """By `?s=column:desc,other`. Raises ColumnFault."""
    found = list(rows)
    for key in reversed([one for one in keys.split(",") if one]):
        name, _, order = key.partition(":")
        column = next((one for one in columns if name == one.name or name in one.aliases.split(",")), None)
        if column is None:
            raise ColumnFault(f"Unable to sort by unknown sort key `{name}`")
        found.sort(key=lambda row: _weight(row.get(column.name)), reverse=order == "desc")
    return found


def text(rows: Sequence[Object], shown: Sequence[tuple[str, Column]], *, heads: bool) -> str:
    """Padded lines."""
    table = [[_cell(row.get(column.name)) for _, column in shown] for row in rows]
    if heads:
        table.insert(0, [name for name, _ in shown])
    if not table or not shown:
        return ""
    widths = [max(len(line[index]) for line in table) for index in range(len(shown))]
    out = []
    for line in table:
        cells = []
        for index, (_, column) in enumerate(shown):
            is_last = index == len(shown) - 1
            cells.append(
                line[index].rjust(widths[index])
                if column.right
                else line[index]
                if is_last
                else line[index].ljust(widths[index])
            )
        out.append(" ".join(cells) + "\n")
    return "".join(out)


def values(rows: Sequence[Object], shown: Sequence[tuple[str, Column]]) -> list[Object]:
    """For `?format=json`: everything is text, or null."""
    return [
        {name: None if row.get(column.name) is None else _cell(row[column.name]) for name, column in shown}
        for row in rows
    ]


def _cell(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _weight(value: Json) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 1, float(value), ""
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))
