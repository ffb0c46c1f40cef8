"""pipelines.yml: a folder of configurations beside the documents, looked at again and again.

Source: Logstash reference, "Multiple Pipelines" (pipelines.yml), "Reloading the config file".
"""

from __future__ import annotations

import asyncio
import glob
from collections.abc import Mapping
from pathlib import Path

import ryaml

from maru.components.pipelines.config import PipelinesConfig
from maru.components.pipelines.engine.house import House
from maru.components.pipelines.model.codecs.reading import size_of
from maru.components.pipelines.model.definitions import MEMORY, PipelineSpec
from maru.core.clock import Clock
from maru.core.errors import Invalid
from maru.core.log import Log

FILE = "pipelines.yml"
KNOWN = frozenset([
    "pipeline.id", "pipeline.workers", "pipeline.batch.size", "pipeline.batch.delay", "pipeline.ordered",
    "pipeline.ecs_compatibility", "config.string", "path.config", "config.support_escapes", "queue.type",
    "queue.max_bytes", "dead_letter_queue.enable",
    # These change no event: how much is written at once, how it is told, when it is looked at again.
    "queue.page_capacity", "queue.checkpoint.writes", "queue.checkpoint.acks", "queue.checkpoint.interval",
    "queue.drain", "pipeline.separate_logs", "pipeline.unsafe_shutdown", "config.reload.automatic",
    "config.reload.interval", "config.debug", "dead_letter_queue.flush_interval",
])  # fmt: skip


class Settings:
    """Runs what the file says; a pipeline that was taken out is ended."""

    def __init__(self, config: PipelinesConfig, house: House, clock: Clock) -> None:
        self._folder = Path(config.settings)
        self._every_s = config.reload_s
        self._house = house
        self._clock = clock
        self._log = Log("pipelines")
        self._mine: set[str] = set()
        self._complaints: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                wanted = await asyncio.to_thread(read_settings_blocking, self._folder)
            except Invalid as error:
                self._complain(FILE, str(error))
            else:
                await self._bring_right(wanted)
            await self._clock.sleep(self._every_s)

    async def _bring_right(self, wanted: Mapping[str, PipelineSpec]) -> None:
        for name in self._mine - set(wanted):
            await self._house.end(name)
        self._mine = set(wanted)
        for name, spec in wanted.items():
            try:
                await self._house.want(name, spec)
                self._complaints.pop(name, None)
            except Invalid as error:
                self._complain(name, str(error))

    def _complain(self, name: str, why: str) -> None:
        if self._complaints.get(name) != why:
            self._complaints[name] = why
            self._log.error("a pipeline cannot run as it is written", pipeline=name, why=why)


def read_settings_blocking(folder: Path) -> Mapping[str, PipelineSpec]:
    """The pipelines of pipelines.yml by id. Raises Invalid: it cannot be read, an id twice, no such file."""
    path = folder / FILE
    try:
        entries = ryaml.loads(path.read_text())
    except (OSError, ryaml.InvalidYamlError) as error:
        raise Invalid(what=str(path), why=str(error), fix="make it a list of pipelines") from error
    found: dict[str, PipelineSpec] = {}
    for entry in entries if isinstance(entries, list) else ():
        name = str(entry.get("pipeline.id", "main"))
        if name in found:
            raise Invalid(what=str(path), why=f"pipeline.id {name!r} stands there twice", fix="name each once")
        unknown = entry.keys() - KNOWN
        if unknown:
            raise Invalid(
                what=f"{path}, {name}", why=f"settings {sorted(unknown)} are not supported", fix="take them out"
            )
        ordered = str(entry.get("pipeline.ordered", "auto")).lower()
        found[name] = PipelineSpec(
            config=_config_blocking(entry, path),
            workers=int(entry.get("pipeline.workers", 1)),
            batch_size=int(entry.get("pipeline.batch.size", 125)),
            batch_delay_ms=int(entry.get("pipeline.batch.delay", 50)),
            queue=str(entry.get("queue.type", MEMORY)),
            queue_max_bytes=size_of(entry.get("queue.max_bytes", 1 << 30)),
            dead_letter_queue=bool(entry.get("dead_letter_queue.enable", False)),
            support_escapes=bool(entry.get("config.support_escapes", False)),
            ecs_compatibility=str(entry.get("pipeline.ecs_compatibility", "")),
            is_ordered=ordered == "true",
        )
    return found


def _config_blocking(entry: Mapping[str, object], path: Path) -> str:
    """config.string, or the files of path.config, put together in the order of their names."""
    if "config.string" in entry:
        return str(entry["config.string"])
    pattern = str(entry.get("path.config", ""))
    if Path(pattern).is_dir():
        pattern = str(Path(pattern) / "*")
    files = sorted(Path(file) for file in glob.glob(pattern) if Path(file).is_file())  # noqa: PTH207
    if not files:
        raise Invalid(what=str(path), why=f"path.config {pattern!r} names no file", fix="correct the path")
    return "\n".join(file.read_text() for file in files)
