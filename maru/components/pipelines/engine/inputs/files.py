"""file: lines of files that grow, from their end (start_position end) or their beginning.

Source: Logstash reference, "File input plugin".
"""

from __future__ import annotations

import asyncio
import glob
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, codec_of
from maru.components.pipelines.engine.queues.shape import Heard
from maru.components.pipelines.engine.tailing import Mark, Tailed, Tails
from maru.components.pipelines.model.codecs.reading import Multiline, silence_of
from maru.components.pipelines.model.codecs.shape import Reading
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Plugin

SAVE_S = 1.0


class FileOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """stat_interval, discover_interval: s, and rounds of it. mode read: files are read once, to their end."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    path: Sequence[str]
    exclude: Sequence[str] = ()
    start_position: str = "end"
    sincedb_path: str = ""
    stat_interval: float = 1.0
    discover_interval: int = 15
    mode: str = "tail"
    sincedb_write_interval: float = SAVE_S
    file_completed_action: str = "log"
    ignore_older: float = 0
    ecs_compatibility: str = "v8"


@dataclass
class Held:
    """What a multiline codec holds back of one file: its lines' marks, and when the last one came."""

    marks: list[Mark]
    heard_s: float

    def safe(self) -> None:
        """The event that the lines became will not be lost any more."""
        for mark in self.marks:
            mark.safe()


class Files:
    """The files that its patterns name, those that come later included."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, FileOptions, "input")
        for path in self._options.path:
            if not path.startswith("/"):
                raise Invalid(what="input plugin 'file'", why=f"path {path!r} is not absolute", fix='path => "/..."')
        if self._options.mode not in ("tail", "read"):
            raise Invalid(what="input plugin 'file'", why=f"no mode {self._options.mode!r}", fix="tail or read")
        if self._options.file_completed_action != "log":
            raise Invalid(
                what="input plugin 'file'",
                why=f"file_completed_action {self._options.file_completed_action!r} is not supported",
                fix='file_completed_action => "log"',
            )
        self._ground = ground
        self._dress = Dress(self._options)
        self._codec = codec_of(self._options, "plain")
        self._codecs: dict[str, Reading] = {}
        self._silence_s = silence_of(self._options)
        self._held: dict[str, Held] = {}
        name = hashlib.sha256(plugin.text.encode()).hexdigest()[:16]
        written = self._options.sincedb_path
        self._kept = Path(written) if written else ground.site.folder("pipelines") / "sincedb" / name

    async def run(self, emit: Emit) -> None:
        options = self._options
        from_start = options.start_position == "beginning" or options.mode == "read"
        tails = Tails(Path("/dev/null/none") if str(self._kept) == "/dev/null" else self._kept, from_start=from_start)
        await asyncio.to_thread(tails.open_blocking)
        turn, saved_s = 0, self._ground.clock.monotonic_s()
        files: Sequence[Tailed] = ()
        try:
            while True:
                if turn % max(options.discover_interval, 1) == 0:
                    files = await asyncio.to_thread(lambda: tails.find_blocking(self._paths_blocking()))
                turn += 1
                count = sum([await self._give(tails, file, emit) for file in files])
                if self._ground.clock.monotonic_s() - saved_s > options.sincedb_write_interval:
                    await self._save(tails)
                    saved_s = self._ground.clock.monotonic_s()
                if not count:
                    await self._flush(files, emit)
                    await self._ground.clock.sleep(options.stat_interval)
        finally:
            await asyncio.shield(self._save(tails))
            await asyncio.to_thread(tails.close_blocking)

    def _paths_blocking(self) -> Sequence[Path]:
        found = [Path(path) for pattern in self._options.path for path in glob.glob(pattern, recursive=True)]  # noqa: PTH207
        oldest = self._ground.now().timestamp() - self._options.ignore_older if self._options.ignore_older else 0.0
        return [
            path
            for path in found
            if path.is_file()
            and not any(path.match(each) for each in self._options.exclude)
            and path.stat().st_mtime >= oldest
        ]

    async def _give(self, tails: Tails, file: Tailed, emit: Emit) -> int:
        lines = await asyncio.to_thread(tails.read_blocking, file)
        if not lines:
            return 0
        codec = self._codecs.setdefault(file.inode, self._codec())
        is_lines = self._options.codec is not None and self._options.codec.name in ("line", "json_lines", "multiline")
        events: list[Event] = []
        for line, end in lines:
            values = codec.feed(line + b"\n" if is_lines else line.removesuffix(b"\r"))
            mark = self._marked(file, file.mark(end), codec, is_event=bool(values))
            for number, value in enumerate(values):
                fields = {**value}
                fields.setdefault("log", {"file": {"path": str(file.path)}})
                fields.setdefault("host", {"name": self._ground.site.node_name})
                fields.setdefault("event", {"original": value.get("message")})
                is_last = number == len(values) - 1
                events.append(self._dress.event(fields, self._ground.now(), mark if is_last else None))
        await emit(events)
        return len(lines)

    def _marked(self, file: Tailed, mark: Mark, codec: Reading, *, is_event: bool) -> Heard | None:
        """Who is to hear that the event of this line is safe; a line that the codec holds back waits for its own."""
        if not isinstance(codec, Multiline):
            if not is_event:
                mark.safe()
            return mark
        now_s = self._ground.clock.monotonic_s()
        before = self._held.pop(file.inode, None) or Held([], now_s)
        if codec.is_holding and is_event:
            self._held[file.inode] = Held([mark], now_s)
            return before
        before.marks.append(mark)
        if codec.is_holding:
            before.heard_s = now_s
            self._held[file.inode] = before
            return None
        return before

    async def _flush(self, files: Sequence[Tailed], emit: Emit) -> None:
        """What a multiline codec holds is given once its file has been silent for long enough."""
        for file in files:
            held = self._held.get(file.inode)
            if held is None or self._ground.clock.monotonic_s() - held.heard_s < self._silence_s:
                continue
            del self._held[file.inode]
            values = self._codecs[file.inode].end()
            if not values:
                held.safe()
            path = {"file": {"path": str(file.path)}}
            last = len(values) - 1
            await emit(
                [
                    self._dress.event(
                        {**value, "log": dict(path)}, self._ground.now(), held if number == last else None
                    )
                    for number, value in enumerate(values)
                ]
            )

    async def _save(self, tails: Tails) -> None:
        if str(self._kept) == "/dev/null":
            return
        try:
            await asyncio.to_thread(tails.save_blocking)
        except OSError as error:
            self._ground.log.warning("positions of files cannot be kept", file=str(self._kept), error=str(error))
