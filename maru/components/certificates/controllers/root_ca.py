"""The ConfigMap kube-root-ca.crt in every namespace: what Pods verify the API server against.

Source: pkg/controller/certificates/rootcacertpublisher/publisher.go.
"""

from __future__ import annotations

import copy

from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, Conflict, NotFound
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.reconcile import Loop
from maru.kinds.resources import CONFIGMAPS, NAMESPACES

NAME = "root-ca-cert-publisher"
CONFIGMAP = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as "
    "the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes clusters."
)


class RootCaPublisher:
    """The controller. bundle: PEM."""

    def __init__(self, clients: Clients, informers: Informers, bundle: str, *, clock: Clock, ids: Ids) -> None:
        self._client = clients.acting_as(f"system:controller:{NAME}")
        self._namespaces = informers.of(NAMESPACES)
        self._configmaps = informers.of(CONFIGMAPS, fields=f"metadata.name={CONFIGMAP}")
        self._bundle = bundle
        self.loop: Loop[str] = Loop(NAME, self._bring_right, clock, ids, workers=2)
        self._namespaces.on_change(self._namespace_changed)
        self._configmaps.on_change(self._configmap_changed)

    async def run(self) -> None:
        """Until cancelled."""
        await self._namespaces.wait_synced()
        await self._configmaps.wait_synced()
        await self.loop.run()

    def _namespace_changed(self, new: Document | None, old: Document | None) -> None:
        if new is not None:
            self.loop.add(new.key.name)

    def _configmap_changed(self, new: Document | None, old: Document | None) -> None:
        for document in (new, old):
            if document is not None:
                self.loop.add(document.key.namespace)

    async def _bring_right(self, namespace: str) -> None:
        document = self._namespaces.get("", namespace)
        if document is None or document.metadata.get("deletionTimestamp"):
            return
        standing = self._configmaps.get(namespace, CONFIGMAP)
        wanted = plan(namespace, self._bundle, standing.value if standing is not None else None)
        if wanted is None:
            return
        try:
            if standing is None:
                await self._client.create(CONFIGMAPS, wanted)
            else:
                await self._client.update(CONFIGMAPS, wanted)
        except (AlreadyExists, Conflict, NotFound):
            return  # the informer brings what stands there now, and with it this key again


def plan(namespace: str, bundle: str, standing: Value | None) -> Value | None:
    """The ConfigMap to write, or None if the one that stands is right."""
    wanted = {"ca.crt": bundle}
    if standing is None:
        return {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {
                "name": CONFIGMAP,
                "namespace": namespace,
                "annotations": {"kubernetes.io/description": _DESCRIPTION},
            },
            "data": wanted,
        }
    annotations = standing["metadata"].get("annotations") or {}
    if standing.get("data") == wanted and annotations.get("kubernetes.io/description"):
        return None
    mended = copy.deepcopy(standing)
    mended["data"] = wanted
    mended["metadata"]["annotations"] = {"kubernetes.io/description": _DESCRIPTION, **annotations}
    return mended
