"""The Engine API for other dialects in this process: contracts/engine_api.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from maru.components.docker.api.views import Engine
from maru.components.docker.engine.tar_process import packed, unpacked
from maru.components.docker.model.create import check_health
from maru.core.document import Value
from maru.core.front.message import Answer, Handler, Request


@dataclass(frozen=True, slots=True)
class Inside:
    """handler: what the socket has."""

    engine: Engine
    handler: Handler

    async def answer(self, request: Request) -> Answer:
        """As the socket would."""
        return await self.handler(request)

    async def create(self, body: Value, name: str) -> str:
        """Any limit of memory is taken: whether it is enough shows at the start."""
        facts = replace(self.engine.dock.facts, memory_min_bytes=0)
        return (await self.engine.creating.create(body, name, facts, takes_letters=True)).id

    async def initialise(self, reference: str) -> None:
        """Up to the moment before its start."""
        box = self.engine.boxes.want(reference)
        async with box.lock:
            await self.engine.starting.prepare(box)

    async def set_health_check(self, reference: str, check: Value) -> None:
        """Written when this returns."""
        engine, box = self.engine, self.engine.boxes.want(reference)
        check_health(check)
        async with box.lock:
            box.container.config["Healthcheck"] = check
            await engine.documents.change_container(box.container)
            if box.state.state == "running":
                engine.starting.follow_health_anew(box)

    async def volume_archive(self, name: str) -> AsyncIterator[bytes]:
        """As it comes; the volume is mounted for it, if it is something to mount."""
        path = await self.engine.volumes.ready(name)
        return packed("pack", path, "/.", asyncio.get_running_loop().create_future())

    async def fill_volume(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """What is there already stays, unless the tar has it, too."""
        await unpacked(await self.engine.volumes.ready(name), chunks)
