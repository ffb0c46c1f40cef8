"""additionalPrinterColumns as table columns.

Source: Kubernetes docs, "Extend the Kubernetes API with CustomResourceDefinitions", additional printer
columns; apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from maru.components.apiserver.custom.json_path import compile_path
from maru.core.document import Value
from maru.kinds.columns.cells import AGE_COLUMN, since
from maru.kinds.strategy import NAME_COLUMN, Column

Cell = Callable[[Value, datetime], object]


def columns_of(version: Value) -> Sequence[Column]:
    """Name, then what the version defines, or Age if it defines nothing."""
    defined = version.get("additionalPrinterColumns") or ()
    if not defined:
        return (NAME_COLUMN, AGE_COLUMN)
    return (NAME_COLUMN, *(_column(one) for one in defined))


def _column(defined: Value) -> Column:
    return Column(
        defined["name"],
        _cell(defined["jsonPath"], defined["type"]),
        type=defined["type"],
        format=defined.get("format") or "",
        description=defined.get("description") or "",
        priority=defined.get("priority") or 0,
    )


def _cell(path: str, kind: str) -> Cell:
    try:
        find = compile_path(path)
    except ValueError:
        return lambda value, now: None

    def cell(value: Value, now: datetime) -> object:
        found = find(value)
        if not found:
            return None
        if kind == "date":
            return since(found[0], now) if isinstance(found[0], str) else None
        if kind == "string":
            return ",".join(_text(one) for one in found)
        return found[0] if _fits(found[0], kind) else None

    return cell


def _fits(value: object, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
