"""The scheduler as a component: it needs documents, time and randomness, and gives nothing but effects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.scheduler.controllers.binding import Binder
from maru.components.scheduler.controllers.feeds import SCHEDULER_NAME
from maru.components.scheduler.controllers.placing import Placing
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.core.recorder import Recorder


@dataclass(frozen=True)
class Needs:
    """clients: to write as system:kube-scheduler; informers: run by whoever gives them."""

    clients: Clients
    informers: Informers
    clock: Clock
    ids: Ids


@dataclass(frozen=True)
class Gives:
    """Nothing: what it does shows in documents."""


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - every component is opened by this name
    """Place Pods until closed."""
    client = needs.clients.acting_as("system:kube-scheduler")
    recorder = Recorder(client, needs.clock, needs.ids, SCHEDULER_NAME, "")
    binder = Binder(client, needs.clock, recorder)
    placing = Placing(needs.informers, needs.clock, needs.ids, binder)
    async with background("scheduler") as tasks:
        tasks.start(recorder.run(), name="events")
        tasks.start(placing.run(tasks), name="placing")
        yield Gives()
