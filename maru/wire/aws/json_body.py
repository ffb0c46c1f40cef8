"""The JSON protocols' bodies: read by an input shape, written by an output shape.

The walker below goes by the shape alone. `encode` takes a short way where a shape has nothing to convert
on its way out (worked out once and kept as the shape's plan): the serializer does base64 itself. A test
holds both to the same bytes. Source: Smithy specification, awsJson1_0, awsJson1_1, restJson1.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from maru.wire.aws.faults import Fault, unreadable
from maru.wire.aws.shapes import Member, Shape
from maru.wire.aws.stamps import UNIX, parse, unix, written

DEPTH_MAX = 100
_STRUCTURE = "Start of structure or map found where not expected."
_ENCODER = msgspec.json.Encoder()
_INTEGERS = {"integer": 32, "long": 64, "short": 16, "byte": 8, "bigInteger": 0}
_FLAT, _DEEP = "flat", "deep"
_PLAIN = frozenset(("string", "blob", "boolean", "integer", "long", "float", "double", "short", "byte"))


def decode(body: bytes) -> dict[str, Any]:
    """The body's object; an empty body is an empty one. Raises Fault SerializationException."""
    if not body or body == b"{}":
        return {}
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable() from error
    if not isinstance(value, dict):
        raise unreadable(_STRUCTURE if isinstance(value, list) else "")
    return value


def read(shape: Shape, value: object, depth: int = 0) -> Any:
    """A decoded JSON value as the shape's: blobs to bytes, timestamps to datetimes; unknown members are dropped.

    Raises Fault SerializationException for a value of the wrong type.
    """
    kind = shape.kind
    if kind == "string":
        if isinstance(value, str):
            return value
        raise _wrong(value, "String")
    if kind == "structure":
        return _read_structure(shape, value, depth)
    if kind == "list":
        if not isinstance(value, list):
            raise unreadable(_STRUCTURE if isinstance(value, dict) else "Expected list or null")
        assert shape.item is not None
        item = shape.item.shape
        return [read(item, each, _deeper(depth)) for each in value if each is not None]
    if kind == "map":
        if not isinstance(value, dict):
            raise unreadable("Expected map or null")
        assert shape.value is not None
        inner = shape.value.shape
        return {key: read(inner, each, _deeper(depth)) for key, each in value.items() if each is not None}
    return _read_scalar(kind, value)


def _read_structure(shape: Shape, value: object, depth: int) -> Any:
    if not isinstance(value, dict):
        if shape.is_document:
            return value
        raise unreadable("Unexpected field type" if not isinstance(value, list) else "Expected null")
    if shape.is_document:
        return value
    found = {}
    for name, member in shape.members.items():
        wire = member.wire_name
        if wire in value and (each := value[wire]) is not None:
            found[name] = read(member.shape, each, _deeper(depth))
    return found


def _read_scalar(kind: str, value: object) -> Any:
    if kind == "boolean":
        if isinstance(value, bool):
            return value
        raise _wrong(value, "Boolean")
    if kind in _INTEGERS:
        return _integer(kind, value)
    if kind in ("float", "double"):
        return _number(value)
    if kind == "blob":
        if not isinstance(value, str):
            raise _wrong(value, "Blob")
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise unreadable() from error
    if kind == "timestamp":
        return parse(value)
    raise unreadable(f"no such type: {kind}")


def _integer(kind: str, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(value, "Integer" if kind != "long" else "Long")
    bits = _INTEGERS[kind]
    if bits and not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise _wrong(value, "Integer" if kind != "long" else "Long")
    return value


def _number(value: object) -> float:
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value.replace("Infinity", "inf"))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(value, "Double")
    return value


def _wrong(value: object, wanted: str) -> Fault:
    if value is True or value is False:
        return unreadable(f"{'TRUE' if value else 'FALSE'}_VALUE can not be converted to {_article(wanted)}")
    if isinstance(value, str):
        return unreadable(f"STRING_VALUE can not be converted to {_article(wanted)}")
    if isinstance(value, (int, float)):
        return unreadable(f"NUMBER_VALUE can not be converted to {_article(wanted)}")
    if isinstance(value, dict):
        return unreadable(_STRUCTURE)
    return unreadable("Unrecognized collection type class java.lang." + wanted)


def _article(wanted: str) -> str:
    return f"an {wanted}" if wanted[0] in "AEIOU" else f"a {wanted}"


def _deeper(depth: int) -> int:
    if depth >= DEPTH_MAX:
        raise unreadable("The document is nested too deeply.")
    return depth + 1


def encode(shape: Shape | None, members: Mapping[str, Any]) -> bytes:
    """The answer's body."""
    if shape is None:
        return b"{}"
    plan = shape.plan
    if plan is None:
        plan = shape.plan = _FLAT if _is_flat(shape) else _DEEP
    if plan is _FLAT:
        known = shape.members
        return _ENCODER.encode({key: value for key, value in members.items() if value is not None and key in known})
    return _ENCODER.encode(write(shape, members))


def _is_flat(shape: Shape) -> bool:
    """Whether members go out as they are: their names too, one level, nothing but scalars and lists or maps of text."""
    for name, member in shape.members.items():
        inner = member.shape
        if member.wire_name != name or member.location:
            return False
        if inner.kind == "list" and inner.item is not None and inner.item.shape.kind == "string":
            continue
        if inner.kind == "map" and inner.value is not None and inner.value.shape.kind == "string":
            continue
        if inner.kind not in _PLAIN or inner.is_document:
            return False
    return True


def write(shape: Shape, value: Any, member: Member | None = None) -> Any:
    """The shape's value as plain JSON values; what is None is left out, except in lists and maps that may hold it."""
    kind = shape.kind
    if kind == "structure":
        if shape.is_document:
            return value
        return {
            each.wire_name: write(each.shape, value[name], each)
            for name, each in shape.members.items()
            if not each.location and value.get(name) is not None
        }
    if kind == "list":
        assert shape.item is not None
        item = shape.item
        return [None if each is None else write(item.shape, each, item) for each in value]
    if kind == "map":
        assert shape.value is not None
        inner = shape.value
        return {key: write(inner.shape, each, inner) for key, each in value.items() if each is not None}
    if kind == "blob":
        return base64.b64encode(value).decode()
    if kind == "timestamp" and isinstance(value, datetime):
        form = (member.timestamp_format if member else "") or shape.timestamp_format or UNIX
        return unix(value) if form == UNIX else written(value, form)
    return value
