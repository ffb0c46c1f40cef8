"""EndpointSlices of every Service with a selector, and mirrors of Endpoints made by hand.

Source: k8s.io/kubernetes/pkg/controller/endpointslice and endpointslicemirroring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.workloads.controllers.expectations import Expectations
from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.controllers.services import pods_behind, services_of_pod
from maru.components.workloads.model.endpoint_slices import (
    MANAGED_BY,
    MANAGER,
    MIRROR_MANAGER,
    SERVICE_NAME,
    SKIP_MIRROR,
    ZONE,
    Group,
    Head,
    SlicePlan,
    mirror_head,
    mirrored_groups,
    plan,
    service_head,
    wanted_groups,
)
from maru.components.workloads.model.endpoints import families, members
from maru.components.workloads.model.values import Place, annotations_of, labels_of, place_of, uid_of
from maru.core.client import DeleteOptions
from maru.core.document import Document, Value
from maru.core.errors import MaruError, NotFound
from maru.core.informer import Informer
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import ENDPOINTS, ENDPOINTSLICES, NODES, PODS, SERVICES

SERVICE_INDEX = "service"
_LEADER = "control-plane.alpha.kubernetes.io/leader"


class _Slices(Controller):
    """What both controllers share: the slices that are theirs, and writing a plan."""

    managed_by = ""

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._expectations = Expectations(kit.clock)
        self._slices = self.informer(ENDPOINTSLICES)
        self._expectations.follow(self._slices)
        self._slices.index(SERVICE_INDEX, _services_of_slice)
        self.watch(ENDPOINTSLICES, self._slice_changed)

    def _slice_changed(self, document: Document) -> list[Place]:
        if labels_of(document.head).get(MANAGED_BY) != self.managed_by:
            return []
        return [(document.key.namespace, labels_of(document.head).get(SERVICE_NAME, ""))]

    def _mine(self, place: Place) -> list[Value]:
        found = self._slices.by_index(SERVICE_INDEX, "/".join(place))
        return [each.value for each in found if labels_of(each.head).get(MANAGED_BY) == self.managed_by]

    async def _write(self, head: Head, groups: Mapping[Group, Sequence[Value]]) -> None:
        place = (head.namespace, head.service)
        await self._carry_out(place, plan(head, groups, self._mine(place), self.ids.suffix))

    async def _carry_out(self, place: Place, want: SlicePlan) -> None:
        for fresh in want.create:
            token = self._expectations.expect_created(place, fresh["metadata"]["name"])
            try:
                await self.client.create(ENDPOINTSLICES, fresh)
            except MaruError:
                self._expectations.settle(token)
                raise
        for fresh in want.update:
            await self.client.update(ENDPOINTSLICES, fresh)
        for stale in want.delete:
            namespace, name = place_of(stale)
            try:
                await self.client.delete(ENDPOINTSLICES, namespace, name, DeleteOptions(uid=uid_of(stale)))
            except NotFound:
                continue


class EndpointSlices(_Slices):
    """Keeps the slices of Services that select Pods."""

    name = "endpointslice-controller"
    managed_by = MANAGER

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._services = self.watch_own(SERVICES)
        self._nodes = self.informer(NODES)
        self._pods = self.watch(PODS, lambda document: services_of_pod(self._services, document.value))

    async def bring_right(self, place: Place) -> float | None:
        document = self._services.get(*place)
        if document is None or is_deleting(document.head) or not self._expectations.is_met(place):
            return None
        service = document.value
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return None
        pods = pods_behind(self._pods, service)
        found = [member for family in families(service) for member in members(service, pods, family)]
        await self._write(service_head(service, found, SERVICES), wanted_groups(service, found, _zones(self._nodes)))
        return None


class EndpointSliceMirrors(_Slices):
    """Keeps slices of Endpoints that people made for Services without a selector."""

    name = "endpointslicemirroring-controller"
    managed_by = MIRROR_MANAGER

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._endpoints = self.watch_own(ENDPOINTS)
        self._services = self.watch_own(SERVICES)

    async def bring_right(self, place: Place) -> float | None:
        document, service = self._endpoints.get(*place), self._services.get(*place)
        if not self._expectations.is_met(place):
            return None
        if document is None or service is None or not _is_mirrored(document.value, service.value):
            await self._carry_out(place, SlicePlan((), (), tuple(self._mine(place))))
            return None
        endpoints = document.value
        await self._write(mirror_head(endpoints, ENDPOINTS), mirrored_groups(endpoints))
        return None


def _is_mirrored(endpoints: Value, service: Value) -> bool:
    if labels_of(endpoints).get(SKIP_MIRROR) == "true" or _LEADER in annotations_of(endpoints):
        return False
    return not service["spec"].get("selector")


def _services_of_slice(document: Document) -> list[str]:
    service = labels_of(document.head).get(SERVICE_NAME)
    return [f"{document.key.namespace}/{service}"] if service else []


def _zones(nodes: Informer) -> dict[str, str]:
    return {each.key.name: labels_of(each.head)[ZONE] for each in nodes.list() if ZONE in labels_of(each.head)}
