"""The client to the documents: one interface, in process or over the Kubernetes API.

Components hold a `Client` and cannot tell which one it is. In the control process it calls the API
server's own verbs (defaults, validation, admission, conflict rules apply as to anybody); elsewhere
it speaks the Kubernetes API over a unix socket or TLS (`core/remote.py`). Values are plain JSON and
belong to the caller, except that what an informer hands out is shared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from maru.core.document import Document, Resource, Value


class PatchKind(StrEnum):
    """The four patch types, by media type. Source: Kubernetes API concepts, "Patches"."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. propagation: Background, Foreground, Orphan or "" (the kind's own).

    Source: meta/v1 DeleteOptions.
    """

    propagation: str = ""
    grace_period_s: int | None = None
    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """documents: ascending by (namespace, name); version: the resourceVersion a watch continues from."""

    documents: Sequence[Document]
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """What a watch hands out. kind: ADDED, MODIFIED, DELETED, or BOOKMARK (document None)."""

    kind: str
    document: Document | None
    version: int


Operations = list[Value]
"""A JSON patch: its operations in order."""


class Client(Protocol):
    """Reads and writes of documents as one caller.

    All methods raise NotFound, AlreadyExists, Conflict, Invalid, Denied, Gone, Unavailable or Deadline.
    """

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Value:
        """The document, or its Scale (subresource scale)."""
        ...

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Page:
        """All that match the selectors (in their query string form)."""
        ...

    def watch(
        self, resource: Resource, namespace: str = "", *, since: int, labels: str = "", fields: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Change]]]:
        """Batches of changes after `since`, until the watch ends (normal: the caller lists and watches again).

        Raises Gone, on entry or while iterating, when `since` is no longer kept.
        """
        ...

    async def create(self, resource: Resource, value: Value) -> Value:
        """The namespace is metadata.namespace of `value`."""
        ...

    async def update(self, resource: Resource, value: Value, *, subresource: str = "") -> Value:
        """Replace; metadata.resourceVersion in `value`, if set, must be the current one."""
        ...

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
        """Change part of a document; `force` takes fields from other owners (APPLY only)."""
        ...

    async def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions | None = None) -> None:
        """Ask for deletion; finalizers and owners may hold it for a while."""
        ...

    async def post(self, resource: Resource, namespace: str, name: str, subresource: str, value: Value) -> Value:
        """Create at a subresource: binding, eviction, token."""
        ...


class Clients(Protocol):
    """Hands out clients by identity, so that audit and RBAC see which part of Maru acted."""

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> Client:
        """A client whose caller is `user`: system:kube-scheduler, system:node:NAME, system:controller:NAME."""
        ...
