"""Keeping ControllerRevisions: finding, making, renumbering and forgetting them.

Source: k8s.io/kubernetes/pkg/controller/history, realHistory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from maru.components.workloads.controllers.claims import Claims, candidates, index_by_controller
from maru.components.workloads.model.revisions import plan, to_truncate
from maru.components.workloads.model.values import place_of, uid_of, with_status
from maru.core.client import Client, DeleteOptions
from maru.core.document import Resource, Value
from maru.core.errors import AlreadyExists, Conflict, NotFound
from maru.core.informer import Informer
from maru.kinds.label_selector import LabelSelector
from maru.kinds.resources import CONTROLLERREVISIONS


class Revisions:
    """Acts for the controller of `resource`."""

    def __init__(self, client: Client, resource: Resource, informer: Informer) -> None:
        self._client = client
        self._resource = resource
        self._informer = informer
        self._claims = Claims(client, resource, CONTROLLERREVISIONS)
        index_by_controller(informer)

    async def of(self, owner: Value, selector: LabelSelector) -> list[Value]:
        """The revisions that are the owner's."""
        return await self._claims.claim(owner, selector, candidates(self._informer, owner, selector))

    async def sync(self, owner: Value, revisions: Sequence[Value]) -> Value:
        """The stored revision of the owner's present template, now the last one."""
        want = plan(owner, self._resource, revisions)
        namespace, name = place_of(want.latest)
        if want.renumber is not None:
            patch = {
                "metadata": {"resourceVersion": want.latest["metadata"]["resourceVersion"]},
                "revision": want.renumber,
            }
            return await self._client.patch(CONTROLLERREVISIONS, namespace, name, patch)
        if not want.create:
            return want.latest
        try:
            return await self._client.create(CONTROLLERREVISIONS, want.latest)
        except AlreadyExists:
            existing = await self._client.get(CONTROLLERREVISIONS, namespace, name)
            if existing.get("data") == want.latest["data"]:
                return existing
        collisions = int(owner.get("status", {}).get("collisionCount") or 0) + 1
        status = {**owner.get("status", {}), "collisionCount": collisions}
        await self._client.update(self._resource, with_status(owner, status), subresource="status")
        raise Conflict(what=f"ControllerRevision {namespace}/{name}", why="another one has this name")

    async def truncate(self, owner: Value, revisions: Sequence[Value], live: Collection[str]) -> None:
        """Forget the oldest beyond the owner's revisionHistoryLimit."""
        for revision in to_truncate(revisions, live, owner["spec"].get("revisionHistoryLimit")):
            namespace, name = place_of(revision)
            try:
                await self._client.delete(CONTROLLERREVISIONS, namespace, name, DeleteOptions(uid=uid_of(revision)))
            except NotFound:
                continue
