"""The codecs there are, by name: those that read, and those that write.

Source: Logstash reference, "Codec plugins".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from maru.components.pipelines.model.codecs import cef, packed, reading, records, writing
from maru.components.pipelines.model.codecs.shape import MakeReading, Write
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Plugin

T = TypeVar("T")

READING: Mapping[str, Callable[[Plugin], MakeReading]] = {
    "avro": packed.read_avro,
    "cef": cef.read_cef,
    "cloudtrail": reading.texts(records.CloudTrail),
    "csv": records.read_csv,
    "es_bulk": reading.texts(records.BulkLines),
    "fluent": packed.read_fluent,
    "graphite": reading.texts(records.GraphiteLines),
    "gzip_lines": reading.texts(packed.GzipLines),
    "java_line": reading.texts(reading.Lines),
    "java_plain": reading.texts(reading.Plain),
    "json": reading.texts(reading.Json),
    "json_lines": reading.texts(reading.JsonLines),
    "line": reading.texts(reading.Lines),
    "msgpack": packed.read_msgpack,
    "multiline": reading.multiline,
    "plain": reading.texts(reading.Plain),
}

WRITING: Mapping[str, Callable[[Plugin], Write]] = {
    "avro": packed.write_avro,
    "cef": cef.write_cef,
    "csv": records.write_csv,
    "dots": writing.dots,
    "fluent": packed.write_fluent,
    "graphite": records.write_graphite,
    "java_line": writing.line,
    "java_plain": writing.plain,
    "json": writing.json,
    "json_lines": writing.json_lines,
    "line": writing.line,
    "msgpack": packed.write_msgpack,
    "plain": writing.plain,
    "rubydebug": writing.rubydebug,
}

REFUSED: Mapping[str, str] = {
    "collectd": "its binary protocol is not read; collectd's write_graphite and graphite work",
    "cloudfront": "its files are followed nowhere here; gzip_lines reads them",
    "compress_spooler": "it holds events back in memory",
    "edn": "there is no reader of EDN here",
    "edn_lines": "there is no reader of EDN here",
    "netflow": "templates of NetFlow are not kept",
    "nmap": "there is no reader of nmap's reports here",
    "protobuf": "its classes are written in Ruby",
    "s3_plain": "it was for backups of an older S3 output; use plain",
}
"""Codecs that Logstash has and that will not be here, with the reason."""


def reading_of(plugin: Plugin) -> MakeReading:
    """A maker of the codec that `plugin` names. Raises Invalid: there is none of that name, wrong options."""
    return _found(plugin, READING, "reads")(plugin)


def writing_of(plugin: Plugin) -> Write:
    """The codec that `plugin` names. Raises Invalid: there is none of that name, wrong options."""
    return _found(plugin, WRITING, "writes")(plugin)


def _found(plugin: Plugin, codecs: Mapping[str, T], does: str) -> T:
    make = codecs.get(plugin.name)
    if make is None:
        why = f"Couldn't find any codec plugin named '{plugin.name}' that {does}"
        if plugin.name in REFUSED:
            why = f"it is not supported: {REFUSED[plugin.name]}"
        raise Invalid(what=f"codec {plugin.name!r}", why=why, fix=f"choose among {', '.join(sorted(codecs))}")
    return make
