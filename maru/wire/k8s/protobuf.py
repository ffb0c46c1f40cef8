"""The API's protobuf bodies to plain JSON, by a table of field numbers.

An envelope is `k8s\\0` followed by runtime.Unknown. The table `protobuf_fields.tsv` holds facts
derived from the type data of released binaries (tools/derive_protobuf.py). Messages are compiled
when they are first met. The result is what the real server's decoder would write as JSON: zero
values of plain fields are left out, pointers keep theirs.
Source: Kubernetes API concepts, "Kubernetes Protobuf encoding"; protobuf encoding specification.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from maru.wire.k8s.errors import Malformed, UnsupportedMedia
from maru.wire.k8s.schema import Value

MAGIC = b"k8s\x00"
DEPTH_MAX = 64  # nesting of messages
TABLE_FILE = Path(__file__).with_name("protobuf_fields.tsv")

_META = "apimachinery.pkg.apis.meta.v1"
_EXTENSIONS = "apiextensions-apiserver.pkg.apis.apiextensions"
_SCHEMA = f"{_EXTENSIONS}.v1.JSONSchemaProps"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Wire = int | bytes
_Reader = Callable[[_Wire, int], Any]  # (wire value, depth left) -> JSON value


def decode_envelope(body: bytes) -> Value:
    """The document in an envelope, apiVersion and kind included.

    Raises Malformed if the bytes do not parse, UnsupportedMedia for a kind the table does not have.
    """
    if not body.startswith(MAGIC):
        raise Malformed("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    api_version = kind = ""
    raw = b""
    for number, value in _fields(body[len(MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            for part, text in _fields(value):
                if part == 1:
                    api_version = _string(text, 0)
                elif part == 2:
                    kind = _string(text, 0)
        elif number == 2 and isinstance(value, bytes):
            raw = value
        elif number == 3 and value:
            raise Malformed("protobuf: the content encoding of the envelope is not supported")
    if not kind:
        raise Malformed("Object 'Kind' is missing in the protobuf envelope")
    document: Value = {"kind": kind, "apiVersion": api_version}
    _read_message(_message_name(api_version, kind), raw, document, DEPTH_MAX)
    return document


def _message_name(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    package = (
        f"{_EXTENSIONS}.{version}"
        if group == "apiextensions.k8s.io"
        else f"api.{group.split('.')[0] or 'core'}.{version}"
    )
    for name in (f"{package}.{kind}", f"{_META}.{kind}"):
        if name in _table():
            return name
    raise UnsupportedMedia(
        f"{api_version}, Kind={kind} cannot be read as application/vnd.kubernetes.protobuf; send JSON"
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    """Each message's lines as text; a message is taken apart when it is met."""
    blocks = TABLE_FILE.read_text().split("\n")
    table: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in blocks:
        if line.startswith("\t"):
            lines.append(line)
        elif line and not line.startswith("#"):
            lines = table.setdefault(line, [])
    return {name: "\n".join(block) for name, block in table.items()}


@lru_cache(maxsize=1024)
def _message(name: str) -> dict[int, tuple[str, str, _Reader, bool]]:
    """number -> (JSON name, shape: one, list, map or inline; reader of one value; whether zero is shown)."""
    compiled = {}
    for line in _table().get(name, "").split("\n"):
        if not line:
            continue
        number, field, kind = line[1:].split("\t")
        shape = {"[]": "list", "{}": "map"}.get(kind[:2], "one" if field else "inline")
        plain = kind[2:] if shape in ("list", "map") else kind
        is_shown = plain.startswith("+") or shape != "one" or plain not in _DROPPED_WHEN_ZERO
        reader = _reader(plain.removeprefix("+"))
        compiled[int(number)] = (field, shape, reader, is_shown)
    return compiled


def _reader(kind: str) -> _Reader:
    known = _READERS.get(kind)
    if known is not None:
        return known

    def read(value: _Wire, depth: int) -> Any:
        document: Value = {}
        _read_message(kind, _bytes(value), document, depth - 1)
        return document

    return read


def _read_message(name: str, raw: bytes, document: Value, depth: int) -> None:
    if depth <= 0:
        raise Malformed("protobuf: the message nests too deep")
    fields = _message(name)
    for number, value in _fields(raw):
        field = fields.get(number)
        if field is None:
            continue
        key, shape, reader, is_shown = field
        if shape == "list":
            read = reader(value, depth)
            document.setdefault(key, []).append(read)
        elif shape == "map":
            _read_entry(_bytes(value), reader, document.setdefault(key, {}), depth)
        elif shape == "inline":
            document.update(reader(value, depth))
        else:
            read = reader(value, depth)
            if read is not None and (is_shown or read):
                document[key] = read


def _read_entry(raw: bytes, reader: _Reader, into: Value, depth: int) -> None:
    key, value = "", None
    for number, part in _fields(raw):
        if number == 1:
            key = _string(part, depth)
        elif number == 2:
            value = part
    into[key] = reader(b"" if value is None else value, depth)


def _fields(raw: bytes) -> Iterator[tuple[int, _Wire]]:
    """(number, wire value) in order; fixed32 and fixed64 come as their bytes."""
    at, end = 0, len(raw)
    while at < end:
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        if wire == 2:
            length, at = _varint(raw, at)
            if at + length > end:
                raise Malformed("proto: unexpected EOF")
            yield number, raw[at : at + length]
            at += length
        elif wire == 0:
            value, at = _varint(raw, at)
            yield number, value
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
            if at + length > end:
                raise Malformed("proto: unexpected EOF")
            yield number, raw[at : at + length]
            at += length
        else:
            raise Malformed(f"proto: illegal wireType {wire}")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw):
            raise Malformed("proto: unexpected EOF")
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise Malformed("proto: integer overflow")


def _bytes(value: _Wire) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("proto: wrong wireType, a length-delimited field was expected")
    return value


def _string(value: _Wire, _: int) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise Malformed("proto: a string field contains invalid UTF-8") from None


def _integer(value: _Wire, _: int) -> int:
    if value == b"":  # the value of a map entry that was left out
        return 0
    if not isinstance(value, int):
        raise Malformed("proto: wrong wireType, a varint was expected")
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _boolean(value: _Wire, depth: int) -> bool:
    return _integer(value, depth) != 0


def _double(value: _Wire, _: int) -> float:
    raw = _bytes(value)
    if len(raw) != 8:
        raise Malformed("proto: wrong wireType, a fixed64 was expected")
    return float(struct.unpack("<d", raw)[0])


def _base64(value: _Wire, _: int) -> str:
    return b64encode(_bytes(value)).decode()


def _parts(value: _Wire) -> dict[int, _Wire]:
    return dict(_fields(_bytes(value)))


def _quantity(value: _Wire, depth: int) -> str:
    return _string(_parts(value).get(1, b"0"), depth) or "0"


def _moment(value: _Wire) -> datetime | None:
    parts = _parts(value)
    if not parts:
        return None
    seconds, nanoseconds = _integer(parts.get(1, 0), 0), _integer(parts.get(2, 0), 0)
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    except OverflowError:
        raise Malformed(f"proto: time out of range: {seconds}") from None


def _time(value: _Wire, _: int) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(value: _Wire, _: int) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _duration(value: _Wire, depth: int) -> str:
    """As Go writes durations: 1h0m0s, 1.5s, 100ms."""
    nanoseconds = _integer(_parts(value).get(1, 0), depth)
    sign, rest = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    if rest == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1000), ("ms", 1_000_000)):
        if rest < size * 1000:
            return f"{sign}{_decimal(rest, size)}{unit}"
    hours, rest = divmod(rest, 3_600_000_000_000)
    minutes, rest = divmod(rest, 60_000_000_000)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = f"{rest:0{len(str(unit)) - 1}}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def _int_or_string(value: _Wire, depth: int) -> int | str:
    parts = _parts(value)
    if _integer(parts.get(1, 0), depth) == 0:
        return _integer(parts.get(2, 0), depth)
    return _string(parts.get(3, b""), depth)


def _raw(value: _Wire, _: int) -> Any:
    raw = _bytes(_parts(value).get(1, b""))
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"proto: an embedded value is not JSON: {error}") from None


def _items(value: _Wire, depth: int) -> list[str]:
    return [_string(item, depth) for number, item in _fields(_bytes(value)) if number == 1]


def _schema(value: _Wire, depth: int) -> Value:
    document: Value = {}
    _read_message(_SCHEMA, _bytes(value), document, depth - 1)
    return document


def _schema_or_bool(value: _Wire, depth: int) -> Any:
    parts = _parts(value)
    return _schema(parts[2], depth) if 2 in parts else _boolean(parts.get(1, 0), depth)


def _schema_or_list(value: _Wire, depth: int) -> Any:
    parts = list(_fields(_bytes(value)))
    several = [_schema(item, depth) for number, item in parts if number == 2]
    return several or next((_schema(item, depth) for number, item in parts if number == 1), None)


def _schema_or_strings(value: _Wire, depth: int) -> Any:
    parts = list(_fields(_bytes(value)))
    several = [_string(item, depth) for number, item in parts if number == 2]
    return several or next((_schema(item, depth) for number, item in parts if number == 1), None)


_DROPPED_WHEN_ZERO = frozenset({"bool", "bytes", "double", "int32", "int64", "int_or_string", "string"})

_READERS: dict[str, _Reader] = {
    "bool": _boolean,
    "bytes": _base64,
    "double": _double,
    "duration": _duration,
    "int32": _integer,
    "int64": _integer,
    "int_or_string": _int_or_string,
    "items": _items,
    "micro_time": _micro_time,
    "quantity": _quantity,
    "raw": _raw,
    "schema_or_array": _schema_or_list,
    "schema_or_bool": _schema_or_bool,
    "schema_or_strings": _schema_or_strings,
    "string": _string,
    "time": _time,
}
