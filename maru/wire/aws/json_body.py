"""The JSON protocols' bodies: read by an input shape, written by an output shape.

What reads and writes the values of a shape is put together at its first use and kept with it. `write` goes by the
shape alone, for errors and as the judge: a test holds `encode` to the same bytes.
Source: Smithy specification, awsJson1_0, awsJson1_1, restJson1.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from maru.wire.aws.faults import Fault, unreadable
from maru.wire.aws.shapes import Member, Shape
from maru.wire.aws.stamps import UNIX, parse, unix, written

DEPTH_MAX = 100
_STRUCTURE = "Start of structure or map found where not expected."
_ENCODER = msgspec.json.Encoder()
_INTEGERS = {"integer": 32, "long": 64, "short": 16, "byte": 8, "bigInteger": 0}
Reader = Callable[[Any, int], Any]
Writer = Callable[[Any], Any]


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

    Members come in the order of the body. Raises Fault SerializationException for a value of the wrong type.
    """
    reader: Reader = shape.reader or _make_reader(shape)
    return reader(value, depth)


def _make_reader(shape: Shape) -> Reader:
    """What reads values of the shape; made at its first use, as shapes may hold themselves."""
    kind = shape.kind
    if kind == "structure":
        made = _structure_reader(shape)
    elif kind == "list":
        made = _list_reader(shape)
    elif kind == "map":
        made = _map_reader(shape)
    elif kind == "string":
        made = _read_string
    else:
        made = lambda value, _depth: _read_scalar(kind, value)  # noqa: E731 - one of several forms
    shape.reader = made
    return made


def _structure_reader(shape: Shape) -> Reader:
    members = {member.wire_name: (name, member) for name, member in shape.members.items()}
    is_document = shape.is_document

    def read_structure(value: object, depth: int) -> Any:
        if is_document:
            return value
        if not isinstance(value, dict):
            raise unreadable("Unexpected field type" if not isinstance(value, list) else "Expected null")
        depth = _deeper(depth)
        found = {}
        for wire, each in value.items():
            known = members.get(wire)
            if known is not None and each is not None:
                name, member = known
                inner = member.shape
                found[name] = (inner.reader or _make_reader(inner))(each, depth)
        return found

    return read_structure


def _list_reader(shape: Shape) -> Reader:
    assert shape.item is not None
    item = shape.item

    def read_list(value: object, depth: int) -> Any:
        if not isinstance(value, list):
            raise unreadable(_STRUCTURE if isinstance(value, dict) else "Expected list or null")
        depth = _deeper(depth)
        inner = item.shape
        reader = inner.reader or _make_reader(inner)
        return [reader(each, depth) for each in value if each is not None]

    return read_list


def _map_reader(shape: Shape) -> Reader:
    assert shape.value is not None
    member = shape.value

    def read_map(value: object, depth: int) -> Any:
        if not isinstance(value, dict):
            raise unreadable("Expected map or null")
        depth = _deeper(depth)
        inner = member.shape
        reader = inner.reader or _make_reader(inner)
        return {key: reader(each, depth) for key, each in value.items() if each is not None}

    return read_map


def _read_string(value: object, _depth: int) -> Any:
    if isinstance(value, str):
        return value
    raise _wrong(value, "String")


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
            return msgspec.convert(value, bytes)  # as strict as base64.b64decode, in a sixth of its time
        except msgspec.ValidationError as error:
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
    writer = _writer_of(shape)
    return _ENCODER.encode(members if writer is None else writer(members))


class Settled(dict[str, Any]):
    """Members of a structure that are never changed and shown often: their bytes are kept after the first writing."""

    __slots__ = ("raw",)

    raw: msgspec.Raw


def _writer_of(shape: Shape) -> Writer | None:
    """What brings values of the shape into a form that the serializer writes; None if they are in one already.

    The serializer itself does base64. Made at the shape's first use.
    """
    if shape.writer is None:
        shape.writer = (partial(_written_again, shape),)  # for a shape that holds itself
        shape.writer = (_make_writer(shape),)
    made: Writer | None = shape.writer[0]
    return made


def _written_again(shape: Shape, value: Any) -> Any:
    writer = _writer_of(shape)
    return value if writer is None else writer(value)


def _make_writer(shape: Shape) -> Writer | None:
    kind = shape.kind
    if kind == "structure":
        return None if shape.is_document else _structure_writer(shape)
    if kind == "list":
        assert shape.item is not None
        inner = _member_writer(shape.item)
        if inner is None:
            return None
        return lambda value: [None if each is None else inner(each) for each in value]
    if kind == "map":
        assert shape.value is not None
        write_value = _member_writer(shape.value)
        if write_value is None:
            return lambda value: {key: each for key, each in value.items() if each is not None}
        return lambda value: {key: write_value(each) for key, each in value.items() if each is not None}
    return None


def _member_writer(member: Member) -> Writer | None:
    if member.shape.kind != "timestamp":
        return _writer_of(member.shape)
    form = member.timestamp_format or member.shape.timestamp_format or UNIX
    if form == UNIX:
        return lambda value: unix(value) if isinstance(value, datetime) else value
    return lambda value: written(value, form) if isinstance(value, datetime) else value


def _structure_writer(shape: Shape) -> Writer:
    fields = tuple(
        (name, member.wire_name, _member_writer(member))
        for name, member in shape.members.items()
        if not member.location
    )

    def written_anew(value: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for name, wire, writer in fields:
            each = value.get(name)
            if each is not None:
                found[wire] = each if writer is None else writer(each)
        return found

    def write_structure(value: Mapping[str, Any]) -> Any:
        if type(value) is not Settled:
            return written_anew(value)
        try:
            return value.raw
        except AttributeError:
            value.raw = msgspec.Raw(_ENCODER.encode(written_anew(value)))
            return value.raw

    return write_structure


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
