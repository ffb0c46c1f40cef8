"""Codecs of packed bytes: msgpack, fluent (the forward protocol), gzip_lines, avro.

What cannot be read comes through as a message with a tag: an input never loses what it read.
Source: Logstash reference, the codec plugins of these names; Fluentd's forward protocol specification v1.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import msgspec

from maru.components.pipelines.model.codecs.reading import Lines, TextOptions
from maru.components.pipelines.model.codecs.shape import MakeReading, Reading, Write
from maru.components.pipelines.model.event import TIMESTAMP, Event, plain
from maru.components.pipelines.model.options import Options, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.logstash.packed import BadPack, divided
from maru.wire.logstash.syntax import Plugin

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVENT_TIME = 0  # the extension that fluentd writes its times in
FLUENT_FAILURE, PACK_FAILURE = "_fluentparsefailure", "_msgpackparsefailure"
LINES_BYTES_MAX = 1 << 30  # of one file unpacked


class PackOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """target: under which the value is put, "" for the top. nanosecond_precision: fluent writes its times so."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["format", "ecs_compatibility"])

    target: str = ""
    format: str = ""
    nanosecond_precision: bool = False
    ecs_compatibility: str = "v8"


class AvroOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """schema_uri: a file. encoding: base64 (what it always was) or binary. A failure is always tagged."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility", "tag_on_failure"])

    schema_uri: str
    encoding: str = "base64"
    tag_on_failure: bool = False
    target: str = ""
    ecs_compatibility: str = "v8"


class _Packed:
    """A stream of MessagePack values, each of which `values_of` makes events of."""

    def __init__(self, values_of: Callable[[object], Sequence[Value]], failure: str) -> None:
        self._values_of = values_of
        self._failure = failure
        self._rest = b""

    def feed(self, chunk: bytes) -> Sequence[Value]:
        try:
            packs, self._rest = divided(self._rest + chunk)
        except BadPack:
            content, self._rest = self._rest + chunk, b""
            return [self._failed(content)]
        return [value for pack in packs for value in self._read(pack)]

    def end(self) -> Sequence[Value]:
        rest, self._rest = self._rest, b""
        return [self._failed(rest)] if rest else ()

    def _read(self, pack: bytes) -> Sequence[Value]:
        try:
            return self._values_of(msgspec.msgpack.decode(pack, ext_hook=_extension, strict=False))
        except (msgspec.DecodeError, ValueError, TypeError, KeyError, OverflowError):
            return [self._failed(pack)]

    def _failed(self, content: bytes) -> Value:
        return {"message": content.decode("utf-8", "replace"), "tags": [self._failure]}


def _extension(code: int, content: memoryview) -> object:
    if code == EVENT_TIME and len(content) == 8:
        seconds, nanoseconds = (int.from_bytes(content[first : first + 4], "big") for first in (0, 4))
        return EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    return bytes(content).hex()


def read_msgpack(plugin: Plugin) -> MakeReading:
    """msgpack."""
    options = options_of(plugin, PackOptions, "codec")

    def values_of(value: object) -> Sequence[Value]:
        fields = _texts(value)
        if options.target:
            return [{options.target: fields}]
        if not isinstance(fields, dict):
            raise TypeError("it is no map")
        return [fields]

    return lambda: _Packed(values_of, PACK_FAILURE)


def write_msgpack(plugin: Plugin) -> Write:
    """msgpack."""
    options_of(plugin, PackOptions, "codec")
    return lambda event: msgspec.msgpack.encode(plain(event.fields))


def read_fluent(plugin: Plugin) -> MakeReading:
    """fluent: messages, forwards and packed forwards, compressed or not."""
    options = options_of(plugin, PackOptions, "codec")

    def record(tag: object, moment: object, fields: object) -> Value:
        inside = _texts(fields)
        if not isinstance(inside, dict):
            raise TypeError("a record is no map")
        when = moment if isinstance(moment, datetime) else EPOCH + timedelta(seconds=float(str(moment)))
        about = {TIMESTAMP: when, "tags": [_texts(tag)]}
        return {options.target: inside, **about} if options.target else {**inside, **about}

    def values_of(value: object) -> Sequence[Value]:
        if not isinstance(value, list) or len(value) < 2:
            raise TypeError("it is no message")
        tag, entries = value[0], value[1]
        if isinstance(entries, bytes):
            about = value[2] if len(value) > 2 and isinstance(value[2], dict) else {}
            content = unzipped(entries) if about.get("compressed") == "gzip" else entries
            packs, _ = divided(content)
            entries = [msgspec.msgpack.decode(pack, ext_hook=_extension, strict=False) for pack in packs]
        if isinstance(entries, list):
            return [record(tag, *entry[:2]) for entry in entries]
        return [record(tag, entries, value[2])]

    return lambda: _Packed(values_of, FLUENT_FAILURE)


def write_fluent(plugin: Plugin) -> Write:
    """fluent: one message for each event; its tags are the tag."""
    options = options_of(plugin, PackOptions, "codec")

    def write(event: Event) -> bytes:
        tags = event.fields.get("tags")
        tag = ".".join(map(str, tags)) if isinstance(tags, list) and tags else "log"
        moment = (event.timestamp or EPOCH) - EPOCH
        whole_s = moment // timedelta(seconds=1)
        nanoseconds = (moment - timedelta(seconds=whole_s)) // timedelta(microseconds=1) * 1000
        exact = msgspec.msgpack.Ext(EVENT_TIME, whole_s.to_bytes(4, "big") + nanoseconds.to_bytes(4, "big"))
        fields = {name: value for name, value in event.fields.items() if name not in (TIMESTAMP, "tags")}
        when = exact if options.nanosecond_precision else whole_s
        return msgspec.msgpack.encode([tag, when, {**_written(fields), TIMESTAMP: _written(event.fields)[TIMESTAMP]}])

    return write


def _written(fields: Value) -> Value:
    written = plain(fields)
    assert isinstance(written, dict)
    return {TIMESTAMP: None, **written}


def _texts(value: object) -> object:
    """Bytes as texts, all the way down."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_texts(inner) for inner in value]
    return {str(_texts(name)): _texts(inner) for name, inner in value.items()} if isinstance(value, dict) else value


class GzipLines(Lines):
    """Lines of what is unpacked as it comes; several members one after another are one stream."""

    def __init__(self, options: TextOptions) -> None:
        super().__init__(options)
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._unpacked = 0

    def feed(self, chunk: bytes) -> Sequence[Value]:
        out: list[Value] = []
        while chunk:
            try:
                plain_ = self._unpacker.decompress(chunk, LINES_BYTES_MAX - self._unpacked)
            except (zlib.error, ValueError):
                return [*out, {"message": chunk.decode("utf-8", "replace"), "tags": ["_gzipparsefailure"]}]
            self._unpacked += len(plain_)
            out += super().feed(plain_)
            chunk = self._unpacker.unused_data
            if self._unpacker.eof:
                self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return out


def unzipped(content: bytes) -> bytes:
    """All of a gzip file, as far as LINES_BYTES_MAX. Raises ValueError."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(content, LINES_BYTES_MAX)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return unpacked


def _schema(options: AvroOptions) -> Value:
    """The schema, parsed. Raises Invalid: it cannot be read, or the library is not there."""
    if options.encoding not in ("base64", "binary"):
        raise Invalid(what="codec 'avro'", why=f"no encoding {options.encoding!r}", fix="base64 or binary")
    try:
        import fastavro  # here, not above: an extra
    except ImportError as error:
        raise Invalid(what="codec 'avro'", why="fastavro is not installed", fix="pip install 'maru[avro]'") from error
    path = options.schema_uri.removeprefix("file://")
    try:
        parsed = fastavro.parse_schema(msgspec.json.decode(Path(path).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, fastavro.schema.SchemaParseException) as error:
        what = f"schema_uri {options.schema_uri!r}"
        raise Invalid(what=what, why=str(error), fix="name a file of Avro's JSON") from error
    if not isinstance(parsed, dict):
        raise Invalid(what=f"schema_uri {options.schema_uri!r}", why="it is no record", fix='"type": "record"')
    return parsed


class _Avro:
    """Each chunk is one datum."""

    def __init__(self, options: AvroOptions, schema: Value) -> None:
        self._options = options
        self._schema = schema

    def feed(self, chunk: bytes) -> Sequence[Value]:
        import fastavro

        try:
            content = base64.b64decode(chunk, validate=True) if self._options.encoding == "base64" else chunk
            read = fastavro.schemaless_reader(io.BytesIO(content), self._schema)
        except (ValueError, EOFError, IndexError, TypeError, KeyError, StopIteration):
            return [{"message": chunk.decode("utf-8", "replace"), "tags": ["_avroparsefailure"]}]
        if self._options.target:
            return [{self._options.target: read}]
        return [read if isinstance(read, dict) else {"message": read}]

    def end(self) -> Sequence[Value]:
        return ()


def read_avro(plugin: Plugin) -> MakeReading:
    """avro. Raises Invalid."""
    options = options_of(plugin, AvroOptions, "codec")
    schema = _schema(options)

    def make() -> Reading:
        return _Avro(options, schema)

    return make


def write_avro(plugin: Plugin) -> Write:
    """avro. Raises Invalid."""
    options = options_of(plugin, AvroOptions, "codec")
    schema = _schema(options)

    def write(event: Event) -> bytes:
        import fastavro

        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, plain(event.fields))
        return base64.b64encode(out.getvalue()) if options.encoding == "base64" else out.getvalue()

    return write
