"""Endpoints of every Service with a selector.

Source: k8s.io/kubernetes/pkg/controller/endpoint, syncService.
"""

from __future__ import annotations

from maru.components.workloads.controllers.batches import is_namespace_going
from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.controllers.services import pods_behind, services_of_pod
from maru.components.workloads.model.endpoints import (
    MANAGED_BY,
    endpoints_metadata,
    families,
    members,
    subsets,
)
from maru.components.workloads.model.values import Place, labels_of, place_of
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Conflict, Denied, NotFound
from maru.kinds.resources import ENDPOINTS, PODS, SERVICES


class Endpoints(Controller):
    """Keeps one Endpoints document a Service."""

    name = "endpoint-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._services = self.watch_own(SERVICES)
        self._endpoints = self.watch_own(ENDPOINTS)
        self._pods = self.watch(PODS, lambda document: services_of_pod(self._services, document.value))

    async def bring_right(self, place: Place) -> float | None:
        document = self._services.get(*place)
        existing = self._endpoints.get(*place)
        if document is None:
            # What somebody made by hand for no Service stays.
            if existing is not None and MANAGED_BY in labels_of(existing.head):
                await self._delete(place)
            return None
        service = document.value
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return None
        found = members(service, pods_behind(self._pods, service), families(service)[0])
        want: Value = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {**endpoints_metadata(service, found), "name": place[1], "namespace": place[0]},
            "subsets": subsets(service, found),
        }
        if existing is None:
            await self._create(want)
        elif not _is_same(want, existing.value):
            old = existing.value["metadata"]
            annotations = {**(old.get("annotations") or {}), **want["metadata"]["annotations"]}
            want["metadata"] = {**old, "labels": want["metadata"]["labels"], "annotations": annotations}
            await self.client.update(ENDPOINTS, want)
        return None

    async def _create(self, want: Value) -> None:
        try:
            await self.client.create(ENDPOINTS, want)
        except Denied as error:
            if not is_namespace_going(error):
                raise
        except AlreadyExists:
            raise Conflict(what=f"Endpoints {place_of(want)}", why="the copy here does not show it yet") from None

    async def _delete(self, place: Place) -> None:
        try:
            await self.client.delete(ENDPOINTS, *place)
        except NotFound:
            return


def _is_same(want: Value, have: Value) -> bool:
    # The trigger time alone is no change.
    return labels_of(want) == labels_of(have) and want["subsets"] == (have.get("subsets") or [])
