"""ResourceQuotas: their status, which the quota admission goes by.

Source: k8s.io/kubernetes/pkg/controller/resourcequota.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.model.quotas import COUNTED, used
from maru.components.workloads.model.values import Place, place_of, with_status
from maru.contracts.kinds_served import KindsServed
from maru.core.document import Document, Value
from maru.core.informer import Informer
from maru.kinds.resources import (
    CONFIGMAPS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICES,
)

RESYNC_S = 300.0


class ResourceQuotas(Controller):
    """Counts for every quota."""

    name = "resourcequota-controller"

    def __init__(self, kit: Kit, kinds: KindsServed) -> None:
        super().__init__(kit)
        self._kinds = kinds
        self._quotas = self.watch_own(RESOURCEQUOTAS)
        self._counted: dict[str, Informer] = {RESOURCEQUOTAS.storage: self._quotas}
        for resource in (PODS, SERVICES, SECRETS, CONFIGMAPS, PERSISTENTVOLUMECLAIMS, REPLICATIONCONTROLLERS):
            self._counted[resource.storage] = self.watch(resource, self._quotas_nearby)

    def _quotas_nearby(self, document: Document) -> list[Place]:
        return [place_of(each.head) for each in self._quotas.list(document.key.namespace)]

    async def bring_right(self, place: Place) -> float | None:
        document = self._quotas.get(*place)
        if document is None:
            return None
        quota = document.value
        await self._watch_counted(quota)
        hard = quota["spec"].get("hard") or {}
        status: Value = {"hard": dict(hard), "used": dict(used(quota, lambda storage: self._list(storage, place[0])))}
        if status != (quota.get("status") or {}):
            await self.client.update(RESOURCEQUOTAS, with_status(quota, status), subresource="status")
        return RESYNC_S

    async def _watch_counted(self, quota: Value) -> None:
        """Follow the kinds that count/KIND.GROUP names, from the first quota that does."""
        for name in quota["spec"].get("hard") or {}:
            storage = name.removeprefix("count/")
            if name in COUNTED or storage == name or storage in self._counted:
                continue
            resource = next((each for each in self._kinds.resources() if each.storage == storage), None)
            if resource is not None:
                self._counted[storage] = self.watch(resource, self._quotas_nearby)
                await self._counted[storage].wait_synced()

    def _list(self, storage: str, namespace: str) -> Sequence[Value]:
        informer = self._counted.get(storage)
        return [] if informer is None else [each.value for each in informer.list(namespace)]
