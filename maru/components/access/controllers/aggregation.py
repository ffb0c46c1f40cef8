"""Aggregated ClusterRoles: their rules are kept equal to those of the roles they select.

Source: Kubernetes, "Using RBAC Authorization", aggregated ClusterRoles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.access.model.policy import with_gathered
from maru.core.clock import Clock
from maru.core.document import Document, Value
from maru.core.identity.rbac.rolebook import CLUSTERROLES
from maru.core.ids import Ids
from maru.core.reconcile import Loop
from maru.core.store.interface import Change, Store

_ALL = "all roles"


class Aggregation:
    """One key: all ClusterRoles together, because roles gather from roles that gather."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self.loop: Loop[str] = Loop("clusterrole-aggregation-controller", self._bring_right, clock, ids)

    def changed(self, storage: str) -> None:
        """Some document of `storage` changed."""
        if storage == CLUSTERROLES:
            self.loop.add(_ALL)

    async def _bring_right(self, _: str) -> None:
        documents = {document.key.name: document for document in self._store.list(CLUSTERROLES).documents}
        changes = plan(documents)
        if changes:
            await self._store.write(changes)


def plan(documents: Mapping[str, Document]) -> Sequence[Change]:
    """The writes that bring every aggregated role right. documents: all ClusterRoles, by name."""
    wanted = with_gathered({name: document.value for name, document in documents.items()})
    changes = []
    for name, rules in wanted.items():
        document = documents[name]
        value: Value = {**document.value, "metadata": dict(document.value["metadata"]), "rules": rules}
        changes.append(Change(document.key, value, expect=document.version))
    return changes
