"""The swarm that this node is in, if it is: made, left, changed, locked and unlocked.

This node is its only manager; the documents of the store are what Raft's log is elsewhere.
Source: Docker Engine API v1.50, "Swarm"; moby daemon/cluster/swarm.go and errors.go.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.swarm.shelves import CLUSTER, Shelves, has_swarm, make_shelves
from maru.components.docker.engine import swarm_ca
from maru.components.docker.engine.swarm_key import SwarmKey
from maru.components.docker.model.swarm.cluster import Wish, merged_spec, node_description, node_status
from maru.components.docker.model.swarm.entries import Entry, new_id
from maru.core.document import Value
from maru.core.errors import Broken, Conflict, Invalid, Unavailable
from maru.core.identity.seal import RootKeySealer
from maru.core.lifecycle import Background, background

INACTIVE, ACTIVE, LOCKED, LEAVING, ERROR = "inactive", "active", "locked", "leaving", "error"
_IN_ONE = 'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.'
_NOT_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)
_LOCKED = (
    'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.'
)
_LAST_MANAGER = (
    "You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager "
    "erases all current state of the swarm. Use `--force` to ignore this message. "
)

Begin = Callable[[Background], Awaitable[None]]
"""Starts what runs while the swarm is active, as tasks of the given scope."""


class Membership:
    """What this node knows of its swarm. begin, end: what to do when it becomes active, and before it is left."""

    def __init__(self, dock: Dock, engine_version: str) -> None:
        self._dock = dock
        self._version = engine_version
        self._key = SwarmKey(dock.folder / "swarm")
        self._sealer: RootKeySealer | None = None
        self._root_key = b""
        self._stopping = asyncio.Event()
        self._holder: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._begin: Begin | None = None
        self._end: Callable[[], Awaitable[None]] | None = None
        self.state = INACTIVE
        self.error = ""
        self.shelves: Shelves = make_shelves(dock)

    def when_active(self, begin: Begin, end: Callable[[], Awaitable[None]]) -> None:
        """Say what follows; before `open`."""
        self._begin, self._end = begin, end

    async def open(self) -> None:
        """Take up a swarm that there is; a locked one waits."""
        if not await has_swarm(self._dock.client):
            return
        if self._key.is_locked:
            self.state = LOCKED
            return
        try:
            await self._activate(await asyncio.to_thread(self._key.read_blocking))
        except Broken as error:  # containers are none of the swarm's fault
            self.state, self.error = ERROR, str(error)
            self._dock.log.error("the swarm cannot be used", error=self.error)

    async def close(self) -> None:
        """Stop following; the swarm and its containers stay."""
        if self._holder is not None:
            holder, self._holder = self._holder, None
            self._stopping.set()
            await asyncio.wait((holder,))

    @property
    def cluster(self) -> Entry:
        """Raises Unavailable where there is none that can be read."""
        if self.state == LOCKED:
            raise Unavailable(what=_LOCKED, why="")
        if self.state == ERROR:
            raise Unavailable(what=f"This node's swarm cannot be used: {self.error}", why="")
        cluster = self.shelves.cluster if self.state == ACTIVE else None
        if cluster is None:
            raise Unavailable(what=_NOT_MANAGER, why="")
        return cluster

    @property
    def is_active(self) -> bool:
        return self.state == ACTIVE and self.shelves.cluster is not None

    @property
    def node_id(self) -> str:
        """Of this node."""
        return str(self.cluster.status["nodeId"])

    @property
    def address(self) -> str:
        """Where this node says it is."""
        return str(self.cluster.status["address"])

    def seal(self, plain: bytes, context: str) -> str:
        """For a document; base64."""
        assert self._sealer is not None, "the swarm is active"
        return base64.b64encode(self._sealer.seal(plain, context.encode())).decode()

    def unseal(self, sealed: str, context: str) -> bytes:
        """Raises Broken, Unavailable (locked)."""
        if self._sealer is None:
            raise Unavailable(what=_LOCKED, why="")
        return self._sealer.open(base64.b64decode(sealed), context.encode())

    async def init(self, wish: Wish) -> str:
        """Make a swarm; the id of this node. Raises Unavailable when it is in one."""
        async with self._changing:
            if self.state != INACTIVE:
                if wish.forces_new_cluster and self.state == ACTIVE:
                    await self.shelves.clusters.amend(CLUSTER, {})
                    return self.node_id
                raise Unavailable(what=_IN_ONE, why="")
            key = await asyncio.to_thread(self._key.make_blocking)
            try:
                await self._activate(key, wish)
            except BaseException:
                self.state = INACTIVE
                await asyncio.shield(self.close())
                self.shelves = make_shelves(self._dock)
                raise
            if wish.spec["EncryptionConfig"]["AutoLockManagers"]:
                await self._lock_with(swarm_ca.unlock_key())
            return self.node_id

    async def leave(self, *, is_forced: bool) -> None:
        """Raises Unavailable when it is in none, or would lose everything without being forced."""
        async with self._changing:
            if self.state == INACTIVE:
                raise Unavailable(what="This node is not part of a swarm", why="")
            if not is_forced:
                raise Unavailable(what=_LAST_MANAGER, why="")
            if self._holder is None:
                await self._follow()
            self.state = LEAVING
            await self.close()
            if self._end is not None:
                await self._end()
            for shelf in reversed(self.shelves.each()):
                for entry in shelf.all():
                    await shelf.delete(entry.id)
            await asyncio.to_thread(self._key.remove_blocking)
            self.state, self._sealer, self.shelves = INACTIVE, None, make_shelves(self._dock)

    async def update(self, index: int, spec: Value, *, rotates: frozenset[str]) -> None:
        """rotates: of worker, manager, unlock. Raises Invalid."""
        cluster = self.cluster
        status = {**cluster.status}
        wanted = merged_spec(cluster.spec, spec)
        for role in ("worker", "manager"):
            if role in rotates:
                status[f"{role}Secret"] = self.seal(swarm_ca.join_secret().encode(), f"{role} join secret")
        forced = (wanted.get("CAConfig") or {}).get("ForceRotate") or 0
        if forced != ((cluster.spec.get("CAConfig") or {}).get("ForceRotate") or 0):
            status |= await self._new_authority()
        await self.shelves.clusters.replace(cluster, wanted, status, index)
        was, shall = (bool(each["EncryptionConfig"]["AutoLockManagers"]) for each in (cluster.spec, wanted))
        if shall and (not was or "unlock" in rotates):
            await self._lock_with(swarm_ca.unlock_key())
        elif was and not shall:
            await asyncio.to_thread(self._key.keep_open_blocking, self._root_key)
            await self.shelves.clusters.amend(CLUSTER, {"unlockKey": None})

    def unlock_key(self) -> str:
        """ "" where it is not locked at restarts."""
        sealed = self.cluster.status.get("unlockKey")
        return self.unseal(str(sealed), "unlock key").decode() if sealed else ""

    async def unlock(self, unlock_key: str) -> None:
        """Raises Conflict when it is not locked, Invalid for another key, Unavailable without a swarm."""
        async with self._changing:
            if self.state == INACTIVE:
                raise Unavailable(what="This node is not part of a swarm", why="")
            if self.state != LOCKED:
                raise Conflict(what="swarm is not locked", why="")
            try:
                key = await asyncio.to_thread(self._key.unlock_blocking, unlock_key)
            except Invalid as error:
                raise Invalid(what="swarm could not be unlocked: invalid key provided", why="") from error
            await self._activate(key)

    def tokens(self) -> Value:
        """Join tokens by role."""
        status = self.cluster.status
        root = str(status["TLSInfo"]["TrustRoot"])
        return {
            role.capitalize(): swarm_ca.join_token(
                root, self.unseal(str(status[f"{role}Secret"]), f"{role} join secret").decode()
            )
            for role in ("worker", "manager")
        }

    async def _activate(self, key: bytes, wish: Wish | None = None) -> None:
        self._root_key, self._sealer = key, RootKeySealer(key)
        tasks = await self._follow()
        if wish is not None:
            await self._write(wish)
        cluster = self.shelves.cluster
        if cluster is None:
            raise Broken(what="the swarm", why="its document is gone", fix="docker swarm leave --force")
        self.state = ACTIVE
        await self._describe_node()
        if self._begin is not None:
            await self._begin(tasks)

    async def _follow(self) -> Background:
        self._stopping = asyncio.Event()
        scope: asyncio.Future[Background] = asyncio.get_running_loop().create_future()
        self._holder = self._dock.tasks.start(self._hold(scope), "swarm")
        tasks = await scope
        await self.shelves.open(tasks)
        return tasks

    async def _hold(self, scope: asyncio.Future[Background]) -> None:
        """The scope belongs to a task of the component, whoever asked for the swarm."""
        async with background("swarm") as tasks:
            scope.set_result(tasks)
            await self._stopping.wait()
            tasks.cancel()

    async def _write(self, wish: Wish) -> None:
        for shelf in self.shelves.each():  # what an attempt that was broken off has left
            for entry in shelf.all():
                await shelf.delete(entry.id)
        ids = self._dock.ids
        node_id = new_id(ids.uid())
        status: Value = {
            "ID": new_id(ids.uid()),
            "nodeId": node_id,
            "address": wish.address,
            "listen": wish.listen,
            "RootRotationInProgress": False,
            "DefaultAddrPool": list(wish.pools),
            "SubnetSize": wish.subnet_size,
            "DataPathPort": wish.data_path_port,
        }
        for role in ("worker", "manager"):
            status[f"{role}Secret"] = self.seal(swarm_ca.join_secret().encode(), f"{role} join secret")
        status |= await self._new_authority()
        node = {"Role": "manager", "Availability": wish.availability, "Labels": {}}
        await self.shelves.nodes.create(node_id, node, node_status(wish.address))
        await self.shelves.clusters.create(CLUSTER, wish.spec, status)
        self._dock.events.publish("node", "create", node_id, {"name": self._dock.site.node_name})

    async def _new_authority(self) -> Value:
        made = await asyncio.to_thread(swarm_ca.make_authority_blocking, self._dock.clock.now())
        shown = {
            "TrustRoot": made.certificate,
            "CertIssuerSubject": made.subject,
            "CertIssuerPublicKey": made.public_key,
        }
        return {"TLSInfo": shown, "authorityKey": self.seal(made.key.encode(), "authority key")}

    async def _describe_node(self) -> None:
        """What this node is may be another after a restart."""
        node = self.shelves.nodes.get(self.node_id)
        description = node_description(self._dock.facts, self._dock.site.node_name, self._version)
        description["TLSInfo"] = self.cluster.status["TLSInfo"]
        if node is None:
            spec = {"Role": "manager", "Availability": "active", "Labels": {}}
            await self.shelves.nodes.create(self.node_id, spec, node_status(self.address))
        if node is None or node.status.get("Description") != description:
            await self.shelves.nodes.amend(self.node_id, {"Description": description})

    async def _lock_with(self, unlock_key: str) -> None:
        await asyncio.to_thread(self._key.lock_blocking, self._root_key, unlock_key)
        await self.shelves.clusters.amend(CLUSTER, {"unlockKey": self.seal(unlock_key.encode(), "unlock key")})
