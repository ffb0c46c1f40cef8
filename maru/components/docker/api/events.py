"""Events as a stream of JSON objects. Source: Docker Engine API v1.50, SystemEvents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from maru.components.docker.api.edge import filters_of, said
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.model.events import KNOWN, Event, accepts
from maru.core.errors import Invalid
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import Filters
from maru.wire.docker.moments import parse_moment


@dataclass(frozen=True, slots=True)
class EventApi:
    """What happens, as it happens."""

    dock: Dock

    def routes(self) -> Sequence[Route]:
        return (Route("GET", "/events", self.events),)

    async def events(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, sorted(KNOWN))
        now = self.dock.clock.now()
        try:
            since, until = (
                parse_moment(text, now) if (text := request.query_get(name)) not in ("", "0") else None
                for name in ("since", "until")
            )
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        if since is not None and until is not None and until < since:
            raise said(Invalid, f"`since` time ({since}) cannot be after `until` time ({until})")
        news = self.dock.events.listen()
        past = self.dock.events.past(since, until)
        return Answer(200, self._pour(past, news, until, filters), {"Content-Type": "application/json"})

    async def _pour(
        self, past: Sequence[Event], news: AsyncIterator[Event], until: datetime | None, filters: Filters
    ) -> AsyncIterator[bytes]:
        reading = asyncio.ensure_future(anext(news))
        try:
            for event in past:
                if accepts(filters, event):
                    yield _line(event)
            while True:
                left_s = (until - self.dock.clock.now()).total_seconds() if until is not None else None
                done, _ = await asyncio.wait((reading,), timeout=left_s)
                if not done:
                    return
                event = reading.result()
                reading = asyncio.ensure_future(anext(news))
                if accepts(filters, event):
                    yield _line(event)
        finally:
            reading.cancel()
            await asyncio.wait((reading,))
            await news.aclose()  # type: ignore[attr-defined]  # it is a generator


def _line(event: Event) -> bytes:
    return msgspec.json.encode(event.value()) + b"\n"
