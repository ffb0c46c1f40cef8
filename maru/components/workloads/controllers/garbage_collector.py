"""Garbage collection: dependents go when their last owner is gone; owners wait or let go when asked to.

An owner counts as gone only after the API server has said so; the local copies just say where to
look. Source: k8s.io/kubernetes/pkg/controller/garbagecollector, attemptToDeleteItem.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from maru.components.workloads.controllers.every_kind import EveryKind
from maru.components.workloads.controllers.kit import WARNING, Kit
from maru.components.workloads.model.ownership import (
    FOREGROUND,
    ORPHAN,
    Graph,
    Item,
    Owner,
    Verdict,
    is_deleting_in_foreground,
    is_orphaning,
    judge,
    references_of,
)
from maru.components.workloads.model.values import uid_of
from maru.contracts.kinds_served import KindsServed
from maru.core.client import DeleteOptions
from maru.core.document import Document, Resource, Value
from maru.core.errors import NotFound
from maru.core.reconcile import Loop
from maru.core.recorder import Recorder

UNKNOWN_KIND_RETRY_S = 5.0


class GarbageCollector:
    """Watches every kind that is served."""

    name = "generic-garbage-collector"

    def __init__(self, kit: Kit, kinds: KindsServed) -> None:
        self._client = kit.clients.acting_as(f"system:controller:{self.name}")
        self._recorder = Recorder(self._client, kit.clock, kit.ids, "garbage-collector-controller", "")
        self._graph = Graph()
        self._every = EveryKind(kit, kinds, self._changed)
        self._loop: Loop[Item] = Loop(self.name, self.bring_right, kit.clock, kit.ids, workers=max(4, kit.workers))

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run(), name=f"{self.name} events")
            group.create_task(self._every.run(), name=f"{self.name} kinds")
            await self._every.wait_synced()
            group.create_task(self._loop.run(), name=self.name)

    def _changed(self, resource: Resource, new: Document | None, old: Document | None) -> None:
        document = new or old
        assert document is not None
        item = Item(resource, document.key.namespace, document.key.name)
        if new is None:
            owners = self._graph.drop(item)
            self._owner_gone(document)
            self._wake_owners(owners)
            return
        # Most documents have no owners and are not being deleted: their bytes tell, undecoded.
        has_owners = b'"ownerReferences"' in new.body
        moved = self._graph.set(item, references_of(new.head) if has_owners else [])
        if moved:
            self._wake_owners([reference["uid"] for reference in references_of(new.head)])
        is_ending = b'"deletionTimestamp"' in new.body and b'"finalizers"' in new.body
        if moved or (is_ending and (is_deleting_in_foreground(new.head) or is_orphaning(new.head))):
            self._loop.add(item)
        if old is not None and uid_of(old.head) != uid_of(new.head):
            self._owner_gone(old)

    def _owner_gone(self, document: Document) -> None:
        for dependent in self._graph.dependents(uid_of(document.head)):
            self._loop.add(dependent)

    def _wake_owners(self, uids: Sequence[str]) -> None:
        for uid in uids:
            owner = self._every.find_uid(uid)
            if owner is not None:
                self._loop.add(owner)

    async def bring_right(self, item: Item) -> float | None:
        """Look at one document live, and delete it, release it or let it be."""
        if self._is_plainly_owned(item):
            return None
        try:
            value = await self._client.get(item.resource, item.namespace, item.name)
        except NotFound:
            return None
        if is_orphaning(value):
            await self._release_dependents(item, value)
            return None
        if is_deleting_in_foreground(value):
            await self._delete_dependents(item, value)
            return None
        if value["metadata"].get("deletionTimestamp"):
            return None
        owners: list[tuple[str, Owner]] = []
        for reference in references_of(value):
            state = await self._owner_state(item, value, reference)
            if state is None:
                return UNKNOWN_KIND_RETRY_S if self._every.find_kind(reference) is None else None
            owners.append((reference["uid"], state))
        verdict = judge(value, owners, has_dependents=bool(self._graph.dependents(uid_of(value))))
        if not verdict.is_nothing:
            await self._carry_out(item, value, verdict)
        return None

    def _is_plainly_owned(self, item: Item) -> bool:
        """True when the local copies show nothing to do, so that a start asks the API server only about the rest."""
        document = self._every.find(item)
        if document is None or document.metadata.get("deletionTimestamp"):
            return False
        for reference in references_of(document.head):
            resource = self._every.find_kind(reference)
            if resource is None:
                return False
            namespace = item.namespace if resource.namespaced else ""
            owner = self._every.find(Item(resource, namespace, reference["name"]))
            if owner is None or uid_of(owner.head) != reference["uid"] or is_deleting_in_foreground(owner.head):
                return False
        return True

    async def _owner_state(self, item: Item, value: Value, reference: Value) -> Owner | None:
        """None when the reference cannot be followed: an unknown kind, or one with a namespace from one without."""
        resource = self._every.find_kind(reference)
        if resource is None:
            return None
        if resource.namespaced and not item.namespace:
            self._recorder.event(
                value,
                WARNING,
                "OwnerRefInvalidNamespace",
                f"ownerRef {reference['kind']}/{reference['name']} is namespaced, its dependent is not",
            )
            return None
        namespace = item.namespace if resource.namespaced else ""
        try:
            owner = await self._client.get(resource, namespace, reference["name"])
        except NotFound:
            return Owner.GONE
        if uid_of(owner) != reference["uid"]:
            return Owner.GONE
        return Owner.WAITING if is_deleting_in_foreground(owner) else Owner.SOLID

    async def _carry_out(self, item: Item, value: Value, verdict: Verdict) -> None:
        if verdict.drop_references:
            kept = [each for each in references_of(value) if each["uid"] not in verdict.drop_references]
            await self._set_references(item, value, kept)
            return
        if verdict.unblock and self._is_in_circle(value):
            unblocked = [{**each, "blockOwnerDeletion": False} for each in references_of(value)]
            value = await self._set_references(item, value, unblocked) or value
        options = DeleteOptions(
            propagation=verdict.propagation,
            uid=uid_of(value),
            resource_version=value["metadata"]["resourceVersion"],
        )
        try:
            await self._client.delete(item.resource, item.namespace, item.name, options)
        except NotFound:
            return

    def _is_in_circle(self, value: Value) -> bool:
        """True when a dependent is itself waiting for its dependents: nobody would ever go first."""
        documents = [self._every.find(item) for item in self._graph.dependents(uid_of(value))]
        return any(each is not None and is_deleting_in_foreground(each.head) for each in documents)

    async def _delete_dependents(self, item: Item, value: Value) -> None:
        blocking = [each for each in self._graph.blocking(uid_of(value)) if self._every.find(each) is not None]
        for dependent in self._graph.dependents(uid_of(value)):
            document = self._every.find(dependent)
            if document is not None and not document.metadata.get("deletionTimestamp"):
                self._loop.add(dependent)
        if not blocking:
            await self._drop_finalizer(item, value, FOREGROUND)

    async def _release_dependents(self, item: Item, value: Value) -> None:
        uid = uid_of(value)
        for dependent in self._graph.dependents(uid):
            document = self._every.find(dependent)
            if document is None:
                continue
            kept = [each for each in references_of(document.head) if each["uid"] != uid]
            await self._set_references(dependent, document.value, kept)
        await self._drop_finalizer(item, value, ORPHAN)

    async def _set_references(self, item: Item, value: Value, references: list[Value]) -> Value | None:
        metadata = value["metadata"]
        patch: Value = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "ownerReferences": references or None,
            }
        }
        try:
            return await self._client.patch(item.resource, item.namespace, item.name, patch)
        except NotFound:
            return None

    async def _drop_finalizer(self, item: Item, value: Value, finalizer: str) -> None:
        metadata = value["metadata"]
        patch: Value = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "finalizers": [each for each in metadata.get("finalizers") or () if each != finalizer] or None,
            }
        }
        try:
            await self._client.patch(item.resource, item.namespace, item.name, patch)
        except NotFound:
            return
