"""Rows of S3 Select as they are answered: CSV or JSON. Source: Amazon S3 API reference, OutputSerialization."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.select.values import MISSING, Row, is_nothing, text_of

Write = Callable[[Row], bytes]


def writer(told: Mapping[str, Mapping[str, object] | None]) -> Write:
    """How rows are written. Raises MissingRequiredParameter, InvalidQuoteFields."""
    as_csv, as_json = told.get("CSV"), told.get("JSON")
    if (as_csv is None) == (as_json is None):
        raise refusal("MissingRequiredParameter", "OutputSerialization has one of CSV and JSON.")
    if as_json is not None:
        end = str(as_json.get("RecordDelimiter") or "\n")
        return lambda row: (_json({name: value for name, value in row if value is not MISSING}) + end).encode()
    assert as_csv is not None
    quote = str(as_csv.get("QuoteCharacter") or '"')
    escape = str(as_csv.get("QuoteEscapeCharacter") or quote)
    between, end = str(as_csv.get("FieldDelimiter") or ","), str(as_csv.get("RecordDelimiter") or "\n")
    wanted = str(as_csv.get("QuoteFields") or "ASNEEDED").upper()
    if wanted not in ("ASNEEDED", "ALWAYS"):
        raise refusal("InvalidQuoteFields")

    def field(value: object) -> str:
        text = "" if is_nothing(value) else _json(value) if isinstance(value, (dict, list)) else text_of(value)
        if wanted == "ASNEEDED" and not any(mark in text for mark in (quote, between, end, "\n", "\r")):
            return text
        return quote + text.replace(quote, escape + quote) + quote

    return lambda row: (between.join(field(value) for _, value in row) + end).encode()


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return text_of(value)
    return None
