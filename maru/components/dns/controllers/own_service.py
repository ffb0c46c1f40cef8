"""Keeps the Service `kube-system/kube-dns` and its EndpointSlice in being, so that Pods have a resolver.

The name and the labels are those that monitoring and clients look for in any cluster. The address
behind it is where this server listens; the node's tables do the rest. Source: kubeadm's CoreDNS addon.
"""

from __future__ import annotations

from dataclasses import dataclass

from maru.core.client import Client, PatchKind
from maru.core.clock import Clock
from maru.core.document import Document, Resource, Value
from maru.core.errors import AlreadyExists, Invalid
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.log import Log
from maru.core.reconcile import Loop
from maru.kinds.resources import ENDPOINTSLICES, SERVICES

NAMESPACE, NAME = "kube-system", "kube-dns"
_LABELS = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
_MANAGED_BY = "dns.maru.dev"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is found. cluster_ip: the Service's; address, port: where it listens."""

    cluster_ip: str
    address: str
    port: int
    node_name: str


class OwnServiceController:
    """Puts both documents back whenever they are gone or differ."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, ids: Ids, place: Place) -> None:
        self._client = client
        self._place = place
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINTSLICES)
        self._loop: Loop[str] = Loop("dns service", self._bring_right, clock, ids)
        self._log = Log("dns")

    async def run(self) -> None:
        """Until cancelled."""
        await self._services.wait_synced()
        await self._slices.wait_synced()
        for informer in (self._services, self._slices):
            informer.on_change(self._on_change)
        self._loop.add(NAME)
        await self._loop.run()

    def _on_change(self, new: Document | None, old: Document | None) -> None:
        document = new or old
        assert document is not None, "a change has a document"
        if document.key.namespace == NAMESPACE and document.key.name == NAME:
            self._loop.add(NAME)

    async def _bring_right(self, _: str) -> None:
        service, piece = self._services.get(NAMESPACE, NAME), self._slices.get(NAMESPACE, NAME)
        if service is None:
            await self._create(SERVICES, wanted_service(self._place))
        elif service.value["spec"].get("clusterIP") != self._place.cluster_ip:
            raise Invalid(
                what=f"Service {NAMESPACE}/{NAME}",
                why=f"its clusterIP is {service.value['spec'].get('clusterIP')}, Pods ask {self._place.cluster_ip}",
                fix="delete it, and it is made anew",
            )
        slice_wanted = wanted_slice(self._place)
        if piece is None:
            await self._create(ENDPOINTSLICES, slice_wanted)
        elif any(piece.value.get(field) != slice_wanted[field] for field in ("endpoints", "ports")):
            patch = {field: slice_wanted[field] for field in ("endpoints", "ports")}
            await self._client.patch(ENDPOINTSLICES, NAMESPACE, NAME, patch, kind=PatchKind.MERGE)

    async def _create(self, resource: Resource, value: Value) -> None:
        try:
            await self._client.create(resource, value)
        except AlreadyExists:
            return  # the informer is behind, and will say so
        self._log.info("made", resource=resource.plural, name=NAME)


def wanted_service(place: Place) -> Value:
    """The Service, without a selector: its endpoints are ours to write."""
    ports = [
        {"name": name, "port": 53, "protocol": protocol, "targetPort": place.port}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": dict(_LABELS)},
        "spec": {"clusterIP": place.cluster_ip, "clusterIPs": [place.cluster_ip], "type": "ClusterIP", "ports": ports},
    }


def wanted_slice(place: Place) -> Value:
    """The EndpointSlice that leads to the server."""
    labels = {
        **_LABELS,
        "kubernetes.io/service-name": NAME,
        "endpointslice.kubernetes.io/managed-by": _MANAGED_BY,
    }
    conditions = {"ready": True, "serving": True, "terminating": False}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [place.address], "conditions": conditions, "nodeName": place.node_name}],
        "ports": [
            {"name": name, "port": place.port, "protocol": protocol}
            for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
        ],
    }
