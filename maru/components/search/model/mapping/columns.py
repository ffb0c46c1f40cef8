"""Columns: the typed parts of a partition that a field's values go to.

A column's name follows from the field's path alone, so every partition of an index agrees on it. Source:
tantivy's schema (text with positions, raw text, i64, u64, f64, IP addresses).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT, KEYWORD, WHOLE, UNSIGNED, DECIMAL, ADDRESS = "text", "keyword", "whole", "unsigned", "decimal", "address"
ID, SEQ, LOCATION, NESTED, FIELDS, ROUTING = "_id", "_seq", "_loc", "_nested", "_fields", "_routing"
OFFSET = "_offset"  # which nested object of its document

_PLAIN = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Column:
    """name: in the partition. kind: one of the above; of TEXT come tokens with spaces between.

    is_indexed: whether a value is found by its term; else by looking through the column, which is as fast for ranges.
    """

    name: str
    kind: str
    is_indexed: bool = True


def column_name(path: str) -> str:
    """The name of the column for a field's path (or path#part)."""
    return f"f_{path}" if _PLAIN.fullmatch(path) else f"h_{path.encode().hex()}"
