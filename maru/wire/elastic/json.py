"""JSON as Elasticsearch reads and writes it: duplicate keys, whole numbers kept whole, errors in its words.

`Json` is any decoded value, `Object` one with names. Large or malformed bodies raise BodyError, which says
what the server's parser says. Source: Elasticsearch x-content, JsonXContentParser.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

Json = Any
Object = dict[str, Any]

DEPTH_MAX = 1000

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class BodyError(ValueError):
    """A body that is not JSON. kind: the type of the error as the protocol names it."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def decode(text: bytes | str) -> Json:
    """Raises BodyError."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyError("parsing_exception", f"[1:1] {error}") from error


def decode_object(text: bytes | str, what: str = "request body") -> Object:
    """An object, {} for nothing at all. Raises BodyError."""
    if not text.strip():
        return {}
    value = decode(text)
    if not isinstance(value, dict):
        raise BodyError("parsing_exception", f"Expected [START_OBJECT] but found [{token_of(value)}] in {what}")
    return value


def encode(value: Json) -> bytes:
    """Compact JSON; what JSON has no number for is written as text, as the server does."""
    return _encode(value)


def token_of(value: Json) -> str:
    """The parser's word for a value's first token."""
    if isinstance(value, dict):
        return "START_OBJECT"
    if isinstance(value, list):
        return "START_ARRAY"
    if value is None:
        return "VALUE_NULL"
    if isinstance(value, bool):
        return "VALUE_BOOLEAN"
    return "VALUE_STRING" if isinstance(value, str) else "VALUE_NUMBER"


def as_text(value: Json) -> str:
    """A scalar as text, the way Java prints it."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        return float_text(value)
    return str(value)


def float_text(value: float) -> str:
    """As Double.toString for the usual range: 1.0, 0.5, 1.0E10."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    size = abs(value)
    if size != 0 and not 1e-3 <= size < 1e7:
        mantissa, _, exponent = f"{value!r}".lower().partition("e")
        if not exponent:
            digits = f"{value:e}".partition("e")
            exponent = digits[2]
            mantissa = repr(value / 10 ** int(exponent))
        if "." not in mantissa:
            mantissa += ".0"
        return f"{mantissa}E{int(exponent)}"
    return repr(value)
