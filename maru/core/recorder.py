"""Events (core/v1) about documents, written the way client-go's recorder writes them.

Recording never waits: an Event stands in a bounded line until the background posts it. The same one
again raises the count of the first; many that differ only in their message are combined; and an
object that causes too many is held to one every five minutes.
Source: k8s.io/client-go/tools/record, event.go and events_cache.go.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from maru.core.client import Client
from maru.core.clock import Clock, rfc3339
from maru.core.document import Resource, Value
from maru.core.errors import AlreadyExists, Deadline, MaruError, NotFound, Throttled, Unavailable
from maru.core.ids import Ids
from maru.core.limits import EVENT_CACHE_MAX, EVENT_QUEUE_MAX, EVENT_TRIES_MAX, EVENT_TRY_AGAIN_S
from maru.core.log import Log

EVENTS = Resource("", "v1", "events", "Event", namespaced=True)

SPAM_BURST = 25  # Events of one object at once
SPAM_REFILL_S = 300.0  # and then one each
SIMILAR_MAX = 10  # different messages of one reason, before they are combined
SIMILAR_S = 600.0  # within this time
MESSAGE_CHARACTERS_MAX = 1024
_COMBINED = "(combined from similar events): "

T = TypeVar("T")


@dataclass(slots=True)
class _Allowance:
    """The token bucket of one object."""

    tokens: float
    at_s: float


@dataclass(slots=True)
class _Similar:
    """The different messages of one reason of one object."""

    messages: set[str] = field(default_factory=set)
    at_s: float = 0.0


@dataclass(slots=True)
class _Posted:
    """An Event that exists: its name, and how often it has happened."""

    name: str
    count: int


class _Recent(Generic[T]):
    """A bounded memory that forgets what was not used for longest."""

    def __init__(self) -> None:
        self._entries: OrderedDict[object, T] = OrderedDict()

    def get(self, key: object) -> T | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: object, entry: T) -> T:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > EVENT_CACHE_MAX:
            self._entries.popitem(last=False)
        return entry


class Recorder:
    """Events of one `component` (deployment-controller, kubelet) on `host` (empty for none)."""

    def __init__(self, client: Client, clock: Clock, ids: Ids, component: str, host: str = "") -> None:
        self._client = client
        self._clock = clock
        self._ids = ids
        self._source = {"component": component, **({"host": host} if host else {})}
        self._component = component
        self._host = host
        self._log = Log(component)
        self._line: deque[tuple[Value, str]] = deque()
        self._arrived = asyncio.Event()
        self._allowances: _Recent[_Allowance] = _Recent()
        self._similar: _Recent[_Similar] = _Recent()
        self._posted: _Recent[_Posted] = _Recent()
        self._last_stamp_ns = 0
        self.dropped = 0  # Events held back as spam, or that found the line full or the API gone

    def event(self, regarding: Value, kind: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record that something happened to the document `regarding`. Never waits, never fails.

        kind: Normal or Warning; reason: one word in CamelCase; field_path: which part of the document,
        such as spec.containers{name}.
        """
        if len(self._line) >= EVENT_QUEUE_MAX:
            self.dropped += 1
            return
        self._line.append((self._made(regarding, kind, reason, message, field_path), message))
        self._arrived.set()

    async def run(self) -> None:
        """Post what is recorded, until cancelled."""
        while True:
            while not self._line:
                self._arrived.clear()
                await self._arrived.wait()
            event, message = self._line.popleft()
            await self._post(event, message)

    def _made(self, regarding: Value, kind: str, reason: str, message: str, field_path: str) -> Value:
        metadata = regarding["metadata"]
        now = self._clock.now()
        about = {
            "kind": regarding.get("kind", ""),
            "namespace": metadata.get("namespace", ""),
            "name": metadata.get("name", ""),
            "uid": metadata.get("uid", ""),
            "apiVersion": regarding.get("apiVersion", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
            "fieldPath": field_path,
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name']}.{self._stamp_ns(now):x}",
                "namespace": metadata.get("namespace") or "default",
            },
            "involvedObject": {name: value for name, value in about.items() if value},
            "reason": reason,
            "message": message[:MESSAGE_CHARACTERS_MAX],
            "source": self._source,
            "firstTimestamp": rfc3339(now),
            "lastTimestamp": rfc3339(now),
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

    def _stamp_ns(self, now: datetime) -> int:
        """Nanoseconds since the epoch, made unique, as Events are named by them."""
        stamp_ns = int(now.timestamp() * 1_000_000) * 1000
        self._last_stamp_ns = max(stamp_ns, self._last_stamp_ns + 1)
        return self._last_stamp_ns

    async def _post(self, event: Value, message: str) -> None:
        about = event["involvedObject"]
        who = tuple(about.get(name, "") for name in ("kind", "namespace", "name", "uid", "apiVersion"))
        if not self._is_allowed(who):
            self.dropped += 1
            return
        what = (*who, about.get("fieldPath", ""), event["type"], event["reason"])
        if self._is_combined(what, message):
            event["message"] = (_COMBINED + event["message"])[:MESSAGE_CHARACTERS_MAX]
            key: tuple[str, ...] = (*what, _COMBINED)
        else:
            key = (*what, message)
        for attempt in range(EVENT_TRIES_MAX):
            try:
                await self._write(key, event)
            except (Unavailable, Deadline, Throttled):
                if attempt + 1 < EVENT_TRIES_MAX:
                    await self._clock.sleep(EVENT_TRY_AGAIN_S * (0.5 + self._ids.fraction()))
            except MaruError as error:
                # A namespace that is going away takes no new Events; that is its right.
                self._log.warning("event refused", reason=event["reason"], error=str(error))
                break
            else:
                return
        self.dropped += 1

    async def _write(self, key: object, event: Value) -> None:
        posted = self._posted.get(key)
        namespace = event["metadata"]["namespace"]
        if posted is not None:
            patch = {
                "count": posted.count + 1,
                "lastTimestamp": event["lastTimestamp"],
                "message": event["message"],
            }
            try:
                await self._client.patch(EVENTS, namespace, posted.name, patch)
            except NotFound:
                pass  # it expired meanwhile; a new one takes over the count
            else:
                posted.count += 1
                return
            event["count"] = posted.count + 1
        with suppress(AlreadyExists):  # an earlier try arrived after all
            await self._client.create(EVENTS, event)
        self._posted.put(key, _Posted(event["metadata"]["name"], event["count"]))

    def _is_allowed(self, who: object) -> bool:
        now_s = self._clock.monotonic_s()
        allowance = self._allowances.get(who) or self._allowances.put(who, _Allowance(SPAM_BURST, now_s))
        allowance.tokens = min(SPAM_BURST, allowance.tokens + (now_s - allowance.at_s) / SPAM_REFILL_S)
        allowance.at_s = now_s
        if allowance.tokens < 1:
            return False
        allowance.tokens -= 1
        return True

    def _is_combined(self, what: object, message: str) -> bool:
        now_s = self._clock.monotonic_s()
        similar = self._similar.get(what)
        if similar is None or now_s - similar.at_s > SIMILAR_S:
            similar = self._similar.put(what, _Similar())
        similar.at_s = now_s
        if len(similar.messages) < SIMILAR_MAX:
            similar.messages.add(message)
            return len(similar.messages) >= SIMILAR_MAX
        return True
