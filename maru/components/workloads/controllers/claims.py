"""Whose is it: adopting orphans that match a selector, and letting go of what no longer does.

Source: k8s.io/kubernetes/pkg/controller, BaseControllerRefManager.ClaimObject.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from maru.components.workloads.model.values import controller_of, labels_of, owner_reference, place_of, uid_of
from maru.core.client import Client
from maru.core.document import Document, Resource, Value
from maru.core.errors import Conflict, Invalid, NotFound
from maru.core.informer import Informer
from maru.kinds.label_selector import LabelSelector
from maru.kinds.pod_state import is_deleting

OWNER_INDEX = "controller"


def index_by_controller(informer: Informer) -> None:
    """Index `informer` by controller uid, orphans by namespace."""
    informer.index(OWNER_INDEX, _controllers)


def _controllers(document: Document) -> list[str]:
    reference = controller_of(document.head)
    return [f"orphan/{document.key.namespace}" if reference is None else reference["uid"]]


def candidates(informer: Informer, owner: Value, selector: LabelSelector) -> list[Value]:
    """What `owner` controls already, and the orphans of its namespace that match."""
    namespace, _ = place_of(owner)
    mine = informer.by_index(OWNER_INDEX, uid_of(owner))
    orphans = informer.by_index(OWNER_INDEX, f"orphan/{namespace}")
    matching = [document for document in orphans if selector.matches(labels_of(document.head))]
    return [document.value for document in (*mine, *matching)]


@dataclass(frozen=True, slots=True)
class Claims:
    """owners: the kind that claims; owned: the kind that is claimed; finalizer: of what is owned, "" for none."""

    client: Client
    owners: Resource
    owned: Resource
    finalizer: str = ""

    async def claim(self, owner: Value, selector: LabelSelector, found: Iterable[Value]) -> list[Value]:
        """The ones of `found` that are the owner's now. Raises what the API server refuses, but for things gone."""
        mine = []
        checked = False
        for value in found:
            reference = controller_of(value)
            matches = selector.matches(labels_of(value))
            if reference is not None:
                if reference["uid"] != uid_of(owner):
                    continue
                if matches:
                    mine.append(value)
                elif not is_deleting(owner):
                    await self._release(owner, value)
                continue
            if not matches or is_deleting(owner) or is_deleting(value):
                continue
            if not checked:
                await self._check_alive(owner)
                checked = True
            adopted = await self._adopt(owner, value)
            if adopted is not None:
                mine.append(adopted)
        return mine

    async def _check_alive(self, owner: Value) -> None:
        namespace, name = place_of(owner)
        fresh = await self.client.get(self.owners, namespace, name)
        if uid_of(fresh) != uid_of(owner) or is_deleting(fresh):
            raise Conflict(what=f"{self.owners.kind} {namespace}/{name}", why="it is being deleted and may not adopt")

    async def _adopt(self, owner: Value, value: Value) -> Value | None:
        references = [*(value["metadata"].get("ownerReferences") or ()), owner_reference(self.owners, owner)]
        return await self._write(value, references, [*self._other_finalizers(value), self.finalizer])

    async def _release(self, owner: Value, value: Value) -> None:
        old = value["metadata"].get("ownerReferences") or ()
        references = [reference for reference in old if reference["uid"] != uid_of(owner)]
        await self._write(value, references, self._other_finalizers(value))

    def _other_finalizers(self, value: Value) -> list[str]:
        return [each for each in value["metadata"].get("finalizers") or () if each != self.finalizer]

    async def _write(self, value: Value, references: list[Value], finalizers: list[str]) -> Value | None:
        metadata = value["metadata"]
        patch: Value = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "ownerReferences": references or None,
            }
        }
        if self.finalizer:
            patch["metadata"]["finalizers"] = finalizers or None
        namespace, name = place_of(value)
        try:
            return await self.client.patch(self.owned, namespace, name, patch)
        except (NotFound, Invalid):
            return None
