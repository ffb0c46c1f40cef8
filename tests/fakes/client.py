"""A client for controllers' tests: the real engine in memory, and the API server's rules kept simple.

It keeps what controllers rely on: uid, creationTimestamp, generation counting spec changes, status
apart from spec, conflicts, preconditions, finalizers, graceful deletion of Pods that have a node,
selectors on lists and watches. It does not default, validate or check access.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from maru.core.client import Change as WatchChange
from maru.core.client import DeleteOptions, Operations, Page, PatchKind
from maru.core.clock import Clock, rfc3339
from maru.core.document import Document, Key, Resource, Value, key_of
from maru.core.errors import Conflict, Invalid, MaruError, NotFound, NotSupported
from maru.core.ids import Ids, SeededIds
from maru.core.store.engine import Engine
from maru.core.store.interface import ABSENT, Change
from maru.kinds.resources import CUSTOMRESOURCEDEFINITIONS
from tests.fakes.clock import FakeClock
from tests.fakes.patches import json_patch, merge, strategic
from tests.fakes.selectors import fields_match, labels_match

WITHOUT_STATUS = frozenset(
    [
        "configmaps",
        "secrets",
        "serviceaccounts",
        "events",
        "endpoints",
        "limitranges",
        "endpointslices.discovery.k8s.io",
        "leases.coordination.k8s.io",
        "controllerrevisions.apps",
        "priorityclasses.scheduling.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
    ]
)
POD_GRACE_S = 30


@dataclass(frozen=True)
class Act:
    """One write that was asked for: who, what, of which document."""

    user: str
    verb: str
    key: Key
    subresource: str = ""


class FakeClients:
    """A whole API in memory. `store` is the real engine; `acts` are all writes so far, in order."""

    def __init__(self, clock: Clock | None = None, ids: Ids | None = None) -> None:
        self.clock: Clock = clock or FakeClock()
        self.ids: Ids = ids or SeededIds(1)
        self.store = Engine(self.clock)
        self.acts: list[Act] = []
        self._failures: list[MaruError] = []

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> FakeClient:
        return FakeClient(self, user)

    def fail_next(self, *errors: MaruError) -> None:
        """The next calls (reads too) raise these, one each."""
        self._failures += errors

    async def put(self, resource: Resource, value: Value) -> Value:
        """Set a document as it is (status too), filling in only uid, creationTimestamp and generation."""
        value = _copied(value, resource)
        metadata = value["metadata"]
        metadata.setdefault("uid", self.ids.uid())
        metadata.setdefault("creationTimestamp", rfc3339(self.clock.now()))
        metadata.setdefault("generation", 1)
        metadata.pop("resourceVersion", None)
        key = key_of(resource, metadata.get("namespace", ""), metadata["name"])
        (document,) = await self.store.write([Change(key, value)])
        return copy.deepcopy(document.value)

    async def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Take a document away at once, whatever holds it."""
        await self.store.write([Change(key_of(resource, namespace, name), None)])

    def find(self, resource: Resource, namespace: str, name: str) -> Value | None:
        """What is stored, without waiting."""
        document = self.store.get(key_of(resource, namespace, name))
        return copy.deepcopy(document.value) if document is not None else None

    def all(self, resource: Resource, namespace: str = "") -> list[Value]:
        """All that is stored of a kind, ascending."""
        return [copy.deepcopy(document.value) for document in self.store.list(resource.storage, namespace).documents]

    def maybe_fail(self) -> None:
        if self._failures:
            raise self._failures.pop(0)

    def act(self, user: str, verb: str, key: Key, subresource: str = "") -> None:
        self.acts.append(Act(user, verb, key, subresource))
        self.maybe_fail()


class FakeClient:
    """One caller of `FakeClients`. As core.client.Client."""

    def __init__(self, api: FakeClients, user: str) -> None:
        self._api = api
        self.user = user

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Value:
        self._api.maybe_fail()
        value = self._document(key_of(resource, namespace, name)).value
        return _scale(value) if subresource == "scale" else copy.deepcopy(value)

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Page:
        self._api.maybe_fail()
        listing = self._api.store.list(resource.storage, namespace)
        return Page([d for d in listing.documents if _matches(d.value, labels, fields)], listing.version)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str = "", *, since: int, labels: str = "", fields: str = ""
    ) -> AsyncIterator[AsyncIterator[Sequence[WatchChange]]]:
        self._api.maybe_fail()
        watch = self._api.store.watch(resource.storage, namespace, since)

        async def batches() -> AsyncIterator[Sequence[WatchChange]]:
            while events := await watch.batch():
                changes = []
                for event in events:
                    is_in = event.kind != "DELETED" and _matches(event.document.value, labels, fields)
                    was_in = event.previous is not None and _matches(event.previous.value, labels, fields)
                    if is_in or was_in:
                        kind = ("MODIFIED" if was_in else "ADDED") if is_in else "DELETED"
                        changes.append(WatchChange(kind, event.document, event.document.version))
                if changes:
                    yield changes

        try:
            yield batches()
        finally:
            watch.close()

    async def create(self, resource: Resource, value: Value) -> Value:
        value = _copied(value, resource)
        metadata = value["metadata"]
        if resource.namespaced and not metadata.get("namespace"):
            raise Invalid(what=resource.storage, why="metadata.namespace is empty", fix="set it")
        if not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + self._api.ids.suffix()
        key = key_of(resource, metadata.get("namespace", ""), metadata["name"])
        self._api.act(self.user, "create", key)
        if metadata.pop("resourceVersion", None):
            raise Invalid(what=str(key), why="resourceVersion should not be set on objects to be created", fix="")
        metadata |= {"uid": self._api.ids.uid(), "creationTimestamp": rfc3339(self._api.clock.now()), "generation": 1}
        if self._has_status_apart(resource):
            value.pop("status", None)
        if resource.storage == "pods":
            value["status"] = {"phase": "Pending"}
        return await self._write(Change(key, value, ABSENT))

    async def update(self, resource: Resource, value: Value, *, subresource: str = "") -> Value:
        metadata = value["metadata"]
        key = key_of(resource, metadata.get("namespace", ""), metadata["name"])
        self._api.act(self.user, "update", key, subresource)
        return await self._replace(resource, key, _copied(value, resource), subresource)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Value | Operations,
        *,
        kind: PatchKind = PatchKind.MERGE,
        subresource: str = "",
        force: bool = False,
    ) -> Value:
        key = key_of(resource, namespace, name)
        self._api.act(self.user, "patch", key, subresource)
        if kind is PatchKind.APPLY and self._api.store.get(key) is None:
            assert isinstance(patch, dict)
            self._api.acts.pop()
            metadata = {**patch.get("metadata", {}), "name": name, "namespace": namespace}
            return await self.create(resource, {**patch, "metadata": metadata})
        old = self._document(key).value
        if isinstance(patch, list):
            value = json_patch(old, patch)
        elif kind is PatchKind.MERGE:
            value = merge(copy.deepcopy(old), patch)
        else:
            value = strategic(copy.deepcopy(old), patch)
        return await self._replace(resource, key, value, subresource)

    async def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions | None = None) -> None:
        key = key_of(resource, namespace, name)
        self._api.act(self.user, "delete", key)
        await self._delete(key, options or DeleteOptions())

    async def post(self, resource: Resource, namespace: str, name: str, subresource: str, value: Value) -> Value:
        key = key_of(resource, namespace, name)
        self._api.act(self.user, "create", key, subresource)
        document = self._document(key)
        if (resource.storage, subresource) == ("pods", "binding"):
            return await self._bind(document, value)
        if (resource.storage, subresource) == ("pods", "eviction"):
            await self._delete(key, DeleteOptions())
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if (resource.storage, subresource) == ("serviceaccounts", "token"):
            seconds = value.get("spec", {}).get("expirationSeconds", 3600)
            ends = rfc3339(self._api.clock.now() + timedelta(seconds=seconds))
            return {**value, "status": {"token": self._api.ids.secret(), "expirationTimestamp": ends}}
        raise NotSupported(what=f"{resource.storage}/{subresource}", why="the fake has no such subresource", fix="")

    def _document(self, key: Key) -> Document:
        document = self._api.store.get(key)
        if document is None:
            raise NotFound(what=str(key), why="not found", fix="")
        return document

    async def _write(self, change: Change) -> Value:
        (document,) = await self._api.store.write([change])
        return copy.deepcopy(document.value)

    async def _replace(self, resource: Resource, key: Key, value: Value, subresource: str) -> Value:
        document = self._document(key)
        old = copy.deepcopy(document.value)
        metadata, was = value["metadata"], old["metadata"]
        if str(metadata.get("resourceVersion") or document.version) != str(document.version):
            raise Conflict(what=str(key), why="the object has been modified", fix="read it again")
        if metadata.get("uid", was["uid"]) != was["uid"]:
            raise Conflict(what=str(key), why="the uid is another one", fix="read it again")
        if subresource in ("status", "approval"):
            old["status"] = value.get("status", {})
            value = old
        elif (resource.storage, subresource) == ("namespaces", "finalize"):
            old["spec"] = value["spec"]
            value = old
        elif subresource == "scale":
            value, replicas = copy.deepcopy(old), value["spec"]["replicas"]
            value["spec"]["replicas"] = replicas
            self._carry_over(resource, value, old)
        elif subresource in ("", "ephemeralcontainers", "resize"):
            self._carry_over(resource, value, old)
        else:
            raise NotSupported(what=f"{resource.storage}/{subresource}", why="the fake cannot write it", fix="")
        metadata = value["metadata"]
        if metadata.get("deletionTimestamp") and not _is_held(value):
            await self._api.store.write([Change(key, None, document.version, last=value)])
            return copy.deepcopy(value)
        metadata["resourceVersion"] = str(document.version)
        if value == document.value:
            return value
        return await self._write(Change(key, value, document.version))

    def _has_status_apart(self, resource: Resource) -> bool:
        """Whether status is a subresource: of a custom kind, as its definition says."""
        definition = self._api.find(CUSTOMRESOURCEDEFINITIONS, "", resource.storage)
        if definition is not None:
            return any("status" in (each.get("subresources") or {}) for each in definition["spec"]["versions"])
        return resource.storage not in WITHOUT_STATUS

    def _carry_over(self, resource: Resource, value: Value, old: Value) -> None:
        metadata, was = value["metadata"], old["metadata"]
        for name in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
            metadata.pop(name, None)
            if name in was:
                metadata[name] = was[name]
        if self._has_status_apart(resource):
            value.pop("status", None)
            if "status" in old:
                value["status"] = old["status"]
        without = {"metadata", "status"}
        if {k: v for k, v in value.items() if k not in without} != {k: v for k, v in old.items() if k not in without}:
            metadata["generation"] = was.get("generation", 0) + 1

    async def _delete(self, key: Key, options: DeleteOptions) -> None:
        document = self._document(key)
        value = copy.deepcopy(document.value)
        metadata = value["metadata"]
        if options.uid and options.uid != metadata["uid"]:
            raise Conflict(what=str(key), why="the uid in the precondition is another one", fix="")
        if options.resource_version and options.resource_version != metadata["resourceVersion"]:
            raise Conflict(what=str(key), why="the resourceVersion in the precondition is another one", fix="")
        finalizers = [f for f in metadata.get("finalizers", ()) if f not in ("foregroundDeletion", "orphan")]
        finalizers += {"Foreground": ["foregroundDeletion"], "Orphan": ["orphan"]}.get(options.propagation, [])
        if finalizers:
            metadata["finalizers"] = finalizers
        grace_s = _grace_s(key, value, options)
        if key.storage == "namespaces" and value.get("spec", {}).get("finalizers"):
            value.setdefault("status", {})["phase"] = "Terminating"
        elif not finalizers and grace_s == 0:
            await self._api.store.write([Change(key, None, document.version)])
            return
        if metadata.get("deletionTimestamp"):
            grace_s = min(grace_s, metadata.get("deletionGracePeriodSeconds", 0))
        else:
            metadata["generation"] = metadata.get("generation", 0) + 1
            metadata["deletionTimestamp"] = rfc3339(self._api.clock.now() + timedelta(seconds=grace_s))
        metadata["deletionGracePeriodSeconds"] = grace_s
        if value != document.value:
            await self._write(Change(key, value, document.version))

    async def _bind(self, document: Document, binding: Value) -> Value:
        value = copy.deepcopy(document.value)
        if value["spec"].get("nodeName"):
            raise Conflict(what=str(document.key), why=f"already assigned to {value['spec']['nodeName']}", fix="")
        value["spec"]["nodeName"] = binding["target"]["name"]
        conditions = value.setdefault("status", {}).setdefault("conditions", [])
        conditions.append({"type": "PodScheduled", "status": "True"})
        await self._write(Change(document.key, value, document.version))
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}


def _copied(value: Value, resource: Resource) -> Value:
    return {**copy.deepcopy(value), "apiVersion": resource.api_version, "kind": resource.kind}


def _scale(value: Value) -> Value:
    """The Scale of a kind that keeps its replicas as Deployments do."""
    metadata = {name: value["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
    labels = (value["spec"].get("selector") or {}).get("matchLabels") or {}
    selector = ",".join(f"{key}={text}" for key, text in sorted(labels.items()))
    status = {"replicas": (value.get("status") or {}).get("replicas", 0), "selector": selector}
    return {"metadata": metadata, "spec": {"replicas": value["spec"].get("replicas", 1)}, "status": status}


def _matches(value: Value, labels: str, fields: str) -> bool:
    return labels_match(labels, value) and fields_match(fields, value)


def _is_held(value: Value) -> bool:
    metadata = value["metadata"]
    if value.get("spec", {}).get("finalizers"):
        return True  # a namespace
    return bool(metadata.get("finalizers")) or metadata.get("deletionGracePeriodSeconds", 0) > 0


def _grace_s(key: Key, value: Value, options: DeleteOptions) -> int:
    """Only a Pod that has a node and has not ended is deleted gracefully."""
    ended = value.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if key.storage != "pods" or not value.get("spec", {}).get("nodeName") or ended:
        return 0
    if options.grace_period_s is not None:
        return options.grace_period_s
    return int(value["spec"].get("terminationGracePeriodSeconds", POD_GRACE_S))
