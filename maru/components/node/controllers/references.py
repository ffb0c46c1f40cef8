"""ConfigMaps and Secrets that Pods of this node name: each watched while some Pod names it.

A node reads no others. A watch by name keeps the local copy fresh, and tells the Pods that use it.
Source: pkg/kubelet/util/manager, the watch-based object cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from maru.core.client import Client
from maru.core.clock import Clock
from maru.core.document import Resource, Value
from maru.core.errors import Gone, MaruError
from maru.core.ids import Ids
from maru.core.lifecycle import Background
from maru.core.limits import RECONCILE_BACKOFF_BASE_S, RECONCILE_BACKOFF_MAX_S
from maru.core.log import Log
from maru.kinds.resources import CONFIGMAPS, SECRETS

Name = tuple[str, str, str]
"""(configmap or secret, namespace, name)."""

_RESOURCES: Mapping[str, Resource] = {"configmap": CONFIGMAPS, "secret": SECRETS}


class _Watched:
    """One object: its newest version, None while there is none."""

    def __init__(self) -> None:
        self.value: Value | None = None
        self.is_known = asyncio.Event()
        self.users: set[str] = set()
        self.task: asyncio.Task[None] | None = None


class References:
    """The objects by name; `changed` is called with the uid of every Pod that uses a changed one."""

    def __init__(self, client: Client, clock: Clock, ids: Ids, tasks: Background) -> None:
        self._client = client
        self._clock = clock
        self._ids = ids
        self._tasks = tasks
        self._watched: dict[Name, _Watched] = {}
        self._by_user: dict[str, set[Name]] = {}
        self._log = Log("node")
        self.changed: Callable[[str], None] = lambda _: None

    def want(self, uid: str, names: Collection[Name]) -> None:
        """The Pod `uid` now uses exactly `names`; what nobody uses any more is let go."""
        wanted = set(names)
        for name in self._by_user.get(uid, set()) - wanted:
            watched = self._watched[name]
            watched.users.discard(uid)
            if not watched.users:
                del self._watched[name]
                if watched.task is not None:
                    watched.task.cancel()
        for name in wanted:
            watched = self._watched.get(name) or self._start(name)
            watched.users.add(uid)
        if wanted:
            self._by_user[uid] = wanted
        else:
            self._by_user.pop(uid, None)

    async def fetch(self, uid: str, name: Name) -> Value | None:
        """The object, None if there is none; waits for the first answer of the API."""
        if name not in self._by_user.get(uid, ()):
            self.want(uid, {*self._by_user.get(uid, ()), name})
        watched = self._watched[name]
        await watched.is_known.wait()
        return watched.value

    def version(self, name: Name) -> str:
        """The resourceVersion held now, "" for none."""
        watched = self._watched.get(name)
        if watched is None or watched.value is None:
            return ""
        return str(watched.value["metadata"].get("resourceVersion", ""))

    def _start(self, name: Name) -> _Watched:
        watched = self._watched[name] = _Watched()
        watched.task = self._tasks.start(self._follow(name, watched), name=f"watch {'/'.join(name)}")
        return watched

    async def _follow(self, name: Name, watched: _Watched) -> None:
        delay_s = RECONCILE_BACKOFF_BASE_S
        while True:
            try:
                await self._list_and_watch(name, watched)
                delay_s = RECONCILE_BACKOFF_BASE_S
            except Gone:
                continue
            except MaruError as error:
                self._log.warning("watch of a reference broke", name="/".join(name), error=str(error))
                await self._clock.sleep(delay_s * (0.5 + self._ids.fraction()))
                delay_s = min(delay_s * 2, RECONCILE_BACKOFF_MAX_S)

    async def _list_and_watch(self, name: Name, watched: _Watched) -> None:
        resource, fields = _RESOURCES[name[0]], f"metadata.name={name[2]}"
        page = await self._client.list(resource, name[1], fields=fields)
        self._put(watched, page.documents[0].value if page.documents else None)
        version = page.version
        while True:
            async with self._client.watch(resource, name[1], since=version, fields=fields) as batches:
                async for batch in batches:
                    for change in batch:
                        version = max(version, change.version)
                        if change.document is not None:
                            self._put(watched, None if change.kind == "DELETED" else change.document.value)

    def _put(self, watched: _Watched, value: Value | None) -> None:
        was_known, before = watched.is_known.is_set(), watched.value
        watched.value = value
        watched.is_known.set()
        if was_known and before != value:
            for uid in list(watched.users):
                self.changed(uid)
