"""A house of pipelines on loopback, with an index that is a dictionary."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from maru.components.pipelines.engine.addresses import Addresses
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.house import House
from maru.components.pipelines.engine.letters import Letters
from maru.contracts.indexer import IndexItem, IndexOutcome
from maru.core.clock import SystemClock
from maru.core.errors import Unavailable
from maru.core.ids import SystemIds
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.core.site import Site
from tests.fakes.client import FakeClients


class Shelf:
    """What was indexed, by index and id. refuses: the reason that documents with a field `bad` are refused for."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, object]] = {}
        self.failures = 0
        self.refuses = "mapper_parsing_exception"

    async def index(self, items: Sequence[IndexItem]) -> Sequence[IndexOutcome]:
        if self.failures:
            self.failures -= 1
            raise Unavailable(what="the index", why="it is busy")
        outcomes = []
        for item in items:
            source = msgspec.json.decode(item.source)
            if "bad" in source:
                outcomes.append(IndexOutcome(400, self.refuses, "failed to parse field [bad]"))
                continue
            self.documents[item.index, item.id or str(len(self.documents))] = source
            outcomes.append(IndexOutcome(201))
        return outcomes


def ground_in(folder: Path, shelf: Shelf) -> Ground:
    """A world with a real clock and no platform."""
    clock, ids = SystemClock(), SystemIds()
    return Ground(
        site=Site(data_dir=folder, node_name="node-1", port_offset=0),
        clock=clock,
        ids=ids,
        informers=Informers(FakeClients().acting_as("test"), clock, ids),
        addresses=Addresses(),
        letters=Letters(folder / "letters", 1 << 30),
        environment={"INDEX": "logs"},
        indexer=shelf,
    )


@asynccontextmanager
async def house_in(folder: Path, shelf: Shelf) -> AsyncIterator[House]:
    """Runs until the scope is left."""
    ground = ground_in(folder, shelf)
    async with background("test") as tasks:
        tasks.start(ground.informers.run())
        house = House(ground, tasks)
        try:
            yield house
        finally:
            await house.close()
            tasks.cancel()


def free_port() -> int:
    """One that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
