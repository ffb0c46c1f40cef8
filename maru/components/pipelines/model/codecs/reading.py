"""Codecs that read: plain, line, json, json_lines and multiline.

Bytes that are not in the charset are kept by their replacement letter, and what is no JSON comes
through as a message with a tag: an input never loses what it read.
Source: Logstash reference, "Plain", "Line", "Json", "Json_lines", "Multiline" codec plugins.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from maru.components.pipelines.model.codecs.shape import MakeReading, Reading
from maru.components.pipelines.model.grok.compiling import compile_grok
from maru.components.pipelines.model.grok.library import ECS, library, read_patterns
from maru.components.pipelines.model.options import InputOptions, Options, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Plugin

MESSAGE = "message"
LINE_BYTES_MAX = 20 << 20  # of a line that has no end; then it is cut, as Logstash's decode_size_limit_bytes has it
FAILURE_TAG = "_jsonparsefailure"


class TextOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """charset: of what is read. target: under which JSON is put, "" for the top."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["format", "ecs_compatibility"])

    charset: str = "UTF-8"
    delimiter: str = "\n"
    target: str = ""
    format: str = ""
    ecs_compatibility: str = "v8"
    decode_size_limit_bytes: int = LINE_BYTES_MAX


class MultilineOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """pattern: a grok expression; what: previous or next; auto_flush_interval: s of silence, 0 for never."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    pattern: str
    what: str
    negate: bool = False
    charset: str = "UTF-8"
    max_lines: int = 500
    max_bytes: int | str = 10 << 20
    multiline_tag: str = "multiline"
    auto_flush_interval: int = 0
    patterns_dir: Sequence[str] = ()
    ecs_compatibility: str = "v8"


def texts(make: Callable[[TextOptions], Reading]) -> Callable[[Plugin], MakeReading]:
    """How a codec with the options of texts is made."""

    def made(plugin: Plugin) -> MakeReading:
        options = options_of(plugin, TextOptions, "codec")
        try:
            codecs.lookup(options.charset)
        except LookupError as error:
            raise Invalid(what=f"codec {plugin.name!r}", why=f"no charset {options.charset!r}", fix="UTF-8") from error
        return lambda: make(options)

    return made


def silence_of(options: InputOptions) -> float:
    """Seconds of silence after which what the input's codec holds back is an event: auto_flush_interval, else 0."""
    if options.codec is None or options.codec.name != "multiline":
        return 0.0
    return float(options_of(options.codec.plugin, MultilineOptions, "codec").auto_flush_interval)


class Plain:
    """Each chunk is one event."""

    def __init__(self, options: TextOptions) -> None:
        self._charset = options.charset

    def feed(self, chunk: bytes) -> Sequence[Value]:
        return [{MESSAGE: chunk.decode(self._charset, "replace")}] if chunk else []

    def end(self) -> Sequence[Value]:
        return ()


class Lines:
    """Each line is one event; one that is over the bound is cut there."""

    def __init__(self, options: TextOptions) -> None:
        self._charset = options.charset
        self._delimiter = options.delimiter.encode()
        self._bytes_max = options.decode_size_limit_bytes
        self._rest = b""

    def feed(self, chunk: bytes) -> Sequence[Value]:
        *lines, self._rest = (self._rest + chunk).split(self._delimiter)
        while len(self._rest) > self._bytes_max:
            lines.append(self._rest[: self._bytes_max])
            self._rest = self._rest[self._bytes_max :]
        return [value for line in lines for value in self._read(line.removesuffix(b"\r"))]

    def end(self) -> Sequence[Value]:
        rest, self._rest = self._rest, b""
        return self._read(rest) if rest else ()

    def _read(self, line: bytes) -> Sequence[Value]:
        return [{MESSAGE: line.decode(self._charset, "replace")}]


class JsonLines(Lines):
    """Each line is a JSON object, or a list of them; empty lines are nothing."""

    def __init__(self, options: TextOptions) -> None:
        super().__init__(options)
        self._target = options.target

    def _read(self, line: bytes) -> Sequence[Value]:
        return from_json(line, self._charset, self._target) if line.strip() else ()


class Json:
    """Each chunk is a JSON object, or a list of them."""

    def __init__(self, options: TextOptions) -> None:
        self._charset = options.charset
        self._target = options.target

    def feed(self, chunk: bytes) -> Sequence[Value]:
        return from_json(chunk, self._charset, self._target) if chunk.strip() else ()

    def end(self) -> Sequence[Value]:
        return ()


def from_json(content: bytes, charset: str = "UTF-8", target: str = "") -> Sequence[Value]:
    """The events in `content`; what is none comes as a message with a tag."""
    try:
        read = msgspec.json.decode(content if charset == "UTF-8" else content.decode(charset, "replace"))
    except (msgspec.DecodeError, RecursionError):
        return [{MESSAGE: content.decode(charset, "replace"), "tags": [FAILURE_TAG]}]
    values = read if isinstance(read, list) else [read]
    return [{target: value} if target else value if isinstance(value, dict) else {MESSAGE: value} for value in values]


class Multiline:
    """Lines that belong together become one event with a tag."""

    def __init__(self, options: MultilineOptions, pattern: re.Pattern[str], bytes_max: int) -> None:
        self._options = options
        self._search = pattern.search
        self._bytes_max = bytes_max
        self._lines = Lines(TextOptions(charset=options.charset))
        self._held: list[str] = []
        self._held_bytes = 0

    def feed(self, chunk: bytes) -> Sequence[Value]:
        return [event for value in self._lines.feed(chunk) for event in self.line(value[MESSAGE])]

    @property
    def is_holding(self) -> bool:
        """Whether lines wait for what follows."""
        return bool(self._held)

    def line(self, text: str) -> Sequence[Value]:
        """The events that are whole now that `text` has come."""
        belongs = (self._search(text) is not None) != self._options.negate
        out: list[Value] = []
        if self._options.what == "previous":
            if not belongs:
                out += self._flushed()
            self._hold(text)
        else:
            self._hold(text)
            if not belongs:
                out += self._flushed()
        if len(self._held) >= self._options.max_lines:
            out += self._flushed("multiline_codec_max_lines_reached")
        elif self._held_bytes >= self._bytes_max:
            out += self._flushed("multiline_codec_max_bytes_reached")
        return out

    def end(self) -> Sequence[Value]:
        last = [event for value in self._lines.end() for event in self.line(value[MESSAGE])]
        return [*last, *self._flushed()]

    def _hold(self, text: str) -> None:
        self._held.append(text)
        self._held_bytes += len(text)

    def _flushed(self, tag: str = "") -> Sequence[Value]:
        held, self._held, self._held_bytes = self._held, [], 0
        if not held:
            return ()
        value: Value = {MESSAGE: "\n".join(held)}
        tags = [self._options.multiline_tag] if len(held) > 1 and self._options.multiline_tag else []
        if tag:
            tags.append(tag)
        if tags:
            value["tags"] = tags
        return [value]


def multiline(plugin: Plugin) -> MakeReading:
    """multiline. Raises Invalid."""
    options = options_of(plugin, MultilineOptions, "codec")
    if options.what not in ("previous", "next"):
        raise Invalid(what="codec 'multiline'", why=f"what cannot be {options.what!r}", fix="previous or next")
    pattern = compile_grok(options.pattern, {**library(ECS), **_own_patterns(options)}).pattern
    bytes_max = size_of(options.max_bytes)
    return lambda: Multiline(options, pattern, bytes_max)


def _own_patterns(options: MultilineOptions) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for folder in map(Path, options.patterns_dir):
        for file in sorted(folder.iterdir()) if folder.is_dir() else [folder]:
            try:
                found |= read_patterns(file.read_text(encoding="utf-8"), file.name)
            except OSError as error:
                raise Invalid(what=str(file), why=error.strerror or str(error), fix="make it readable") from error
    return found


def size_of(written: object) -> int:
    """Bytes of 10485760, "10 MiB", "10mb". Raises Invalid."""
    match = re.fullmatch(r"\s*(\d+)\s*([kKmMgG]?)(i?[bB])?\s*", str(written))
    if match is None:
        raise Invalid(what="a size", why=f"{written!r} is no size", fix='as in "10 MiB"')
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2].lower()]
