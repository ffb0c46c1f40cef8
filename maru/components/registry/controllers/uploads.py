"""Uploads under way: each is one repository's, and over when it is kept, cancelled or left alone too long.

They live in this process: after a restart a client begins anew, as the specification lets registries.
Source: OCI distribution specification 1.1, "Pushing blobs".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from maru.components.registry.errors import refusal
from maru.contracts.content_store import ContentStore, ContentUpload
from maru.core.clock import Clock
from maru.core.ids import Ids


@dataclass(slots=True)
class Session:
    """One upload. turn: held while a request writes; touched_s: monotonic."""

    id: str
    repository: str
    content: ContentUpload
    touched_s: float
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_over: bool = False


class Uploads:
    """The uploads of this process, by id."""

    def __init__(self, content: ContentStore, clock: Clock, ids: Ids, most: int) -> None:
        self._content = content
        self._clock = clock
        self._ids = ids
        self._most = most
        self._sessions: dict[str, Session] = {}

    def begin(self, repository: str) -> Session:
        """Raises Throttled when there are too many."""
        if len(self._sessions) >= self._most:
            raise refusal("TOOMANYREQUESTS", f"{self._most} uploads are under way")
        session = Session(self._ids.uid(), repository, self._content.begin(), self._clock.monotonic_s())
        self._sessions[session.id] = session
        return session

    def want(self, repository: str, upload_id: str) -> Session:
        """Raises NotFound (BLOB_UPLOAD_UNKNOWN)."""
        session = self._sessions.get(upload_id)
        if session is None or session.repository != repository:
            raise refusal("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", {"id": upload_id})
        session.touched_s = self._clock.monotonic_s()
        return session

    async def end(self, session: Session) -> None:
        """Forget it, with what was not kept."""
        session.is_over = True
        self._sessions.pop(session.id, None)
        await session.content.discard()

    async def end_idle(self, idle_s: float) -> None:
        """End those that nobody has asked about for `idle_s`."""
        before_s = self._clock.monotonic_s() - idle_s
        for session in list(self._sessions.values()):
            if session.touched_s < before_s and not session.turn.locked():
                await self.end(session)
