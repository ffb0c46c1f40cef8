"""Keeps the table in step with Services and EndpointSlices.

Changes are gathered for a few milliseconds and go to the kernel as one transaction. At the start the
whole table is made anew, again in one transaction; until then the rules of a former process stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from maru.components.network.engine.data_plane import DataPlane
from maru.components.network.model.claims import Claims, Owner
from maru.components.network.model.forwarding import Forwarding, Frontend
from maru.components.network.model.services import SERVICE_NAME_LABEL, plan_service
from maru.core.clock import Clock
from maru.core.document import Document, Value
from maru.core.errors import Unavailable
from maru.core.informer import Informers
from maru.core.limits import RECONCILE_BACKOFF_BASE_S, RECONCILE_BACKOFF_MAX_S
from maru.core.log import Log
from maru.kinds.resources import ENDPOINTSLICES, SERVICES

T = TypeVar("T")

Listener = Callable[[Owner, Value | None, Sequence[Value]], None]
"""Told of every Service that was looked at: its place, itself (None: gone), its slices."""

_BY_SERVICE = "service"


class ServicesController:
    """debounce_s: how long changes are gathered."""

    def __init__(
        self, plane: DataPlane, informers: Informers, clock: Clock, node_name: str, *, debounce_s: float
    ) -> None:
        self._plane = plane
        self._clock = clock
        self._node_name = node_name
        self._debounce_s = debounce_s
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINTSLICES)
        self._claims = Claims()
        self._dirty: set[Owner] = set()
        self._wake = asyncio.Event()
        self._listeners: list[Listener] = []
        self._log = Log("network")
        self.is_replaced = asyncio.Event()

    def on_service(self, listener: Listener) -> None:
        """Also tell `listener`."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Until cancelled."""
        self._slices.index(_BY_SERVICE, _service_of)
        self._services.on_change(self._on_service)
        self._slices.on_change(self._on_slice)
        await self._services.wait_synced()
        await self._slices.wait_synced()
        self._claims.fill(self._take_dirty())
        await self._again_until_done(self._plane.replace, self._claims.elements())
        self.is_replaced.set()
        while True:
            await self._wake.wait()
            await self._clock.sleep(self._debounce_s)
            change, stale = self._claims.take(self._take_dirty())
            await self._again_until_done(self._plane.apply, change)
            if stale.may_exist:
                await self._again_until_done(self._plane.forget, stale.has)

    def _take_dirty(self) -> dict[Owner, dict[Frontend, Forwarding]]:
        owners, self._dirty = self._dirty, set()
        self._wake.clear()
        plans: dict[Owner, dict[Frontend, Forwarding]] = {}
        for owner in owners:
            document = self._services.get(*owner)
            slices = [piece.value for piece in self._slices.by_index(_BY_SERVICE, "/".join(owner))]
            service = document.value if document is not None else None
            plans[owner] = plan_service(service, slices, self._node_name) if service is not None else {}
            for listener in self._listeners:
                listener(owner, service, slices)
        return plans

    async def _again_until_done(self, act: Callable[[T], Awaitable[object]], argument: T) -> None:
        delay_s = RECONCILE_BACKOFF_BASE_S
        while True:
            try:
                await act(argument)
            except Unavailable as error:
                self._log.warning("will try again", error=str(error), delay_s=delay_s)
                await self._clock.sleep(delay_s)
                delay_s = min(delay_s * 2, RECONCILE_BACKOFF_MAX_S)
            else:
                return

    def _on_service(self, new: Document | None, old: Document | None) -> None:
        document = new or old
        assert document is not None, "a change has a document"
        self._mark((document.key.namespace, document.key.name))

    def _on_slice(self, new: Document | None, old: Document | None) -> None:
        for document in (new, old):
            for place in _service_of(document) if document is not None else ():
                namespace, _, name = place.partition("/")
                self._mark((namespace, name))

    def _mark(self, owner: Owner) -> None:
        self._dirty.add(owner)
        self._wake.set()


def _service_of(document: Document) -> list[str]:
    name = (document.metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
    return [f"{document.key.namespace}/{name}"] if name else []
