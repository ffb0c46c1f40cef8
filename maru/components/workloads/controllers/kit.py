"""What every controller stands on: its client, its informers, its line of keys and its events.

A controller registers what it watches when it is made, and works once the first lists are there:
one that acted on half a cache would make what exists already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from maru.components.workloads.model.values import Place
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.document import Document, Resource, Value
from maru.core.ids import Ids
from maru.core.informer import Informer, Informers
from maru.core.reconcile import Loop
from maru.core.recorder import Recorder

NORMAL = "Normal"
WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Kit:
    """The tools of one process. workers: keys that each controller works on side by side (1..64)."""

    clients: Clients
    informers: Informers
    clock: Clock
    ids: Ids
    workers: int = 4


class Runner(Protocol):
    """What the component runs. name: the real controller's."""

    name: str

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class Controller:
    """One controller; `name` is the real one's, and the caller that RBAC and audit see."""

    name = ""

    def __init__(self, kit: Kit, *, workers: int | None = None) -> None:
        self.kit = kit
        self.clock = kit.clock
        self.ids = kit.ids
        self.client = kit.clients.acting_as(f"system:controller:{self.name}")
        self.recorder = Recorder(self.client, kit.clock, kit.ids, self.name, "")
        self.loop: Loop[Place] = Loop(
            self.name, self.bring_right, kit.clock, kit.ids, workers=kit.workers if workers is None else workers
        )
        self._watched: list[Informer] = []

    async def bring_right(self, place: Place) -> float | None:
        """Look at what is wanted and what is there, and act; the seconds to come again after, or None."""
        raise NotImplementedError

    def informer(self, resource: Resource) -> Informer:
        """The shared informer of a kind; work waits for its first list."""
        informer = self.kit.informers.of(resource)
        if informer not in self._watched:
            self._watched.append(informer)
        return informer

    def watch_own(self, resource: Resource) -> Informer:
        """Every change of `resource` puts the document itself in line."""
        return self.watch(resource, lambda document: [(document.key.namespace, document.key.name)])

    def watch(self, resource: Resource, places: Callable[[Document], list[Place]]) -> Informer:
        """Every change of `resource` puts the places that the new and the old document name in line."""
        informer = self.informer(resource)

        def changed(new: Document | None, old: Document | None) -> None:
            for document in (new, old):
                if document is not None:
                    for place in places(document):
                        self.loop.add(place)

        informer.on_change(changed)
        return informer

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in self._watched:
            await informer.wait_synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.recorder.run(), name=f"{self.name} events")
            group.create_task(self.loop.run(), name=self.name)

    def event(self, regarding: Value, kind: str, reason: str, message: str) -> None:
        """Record an Event about a document."""
        self.recorder.event(regarding, kind, reason, message)
