"""Claims in use and volumes that are bound are not deleted under their users: a finalizer holds them.

Source: k8s.io/kubernetes/pkg/controller/volume, pvcprotection and pvprotection.
"""

from __future__ import annotations

from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.model.values import Place, place_of, uid_of
from maru.core.document import Document, Resource, Value
from maru.core.errors import NotFound
from maru.kinds.pod_state import is_deleting, is_terminal, node_name
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"


class _Protection(Controller):
    """Takes the finalizer away when deletion was asked for and nobody uses the document."""

    resource: Resource
    finalizer = ""

    async def release(self, value: Value) -> None:
        """Let it go."""
        metadata = value["metadata"]
        left = [each for each in metadata.get("finalizers") or () if each != self.finalizer]
        patch: Value = {
            "metadata": {
                "uid": uid_of(value),
                "resourceVersion": metadata["resourceVersion"],
                "finalizers": left or None,
            }
        }
        try:
            await self.client.patch(self.resource, *place_of(value), patch)
        except NotFound:
            return

    def is_held(self, value: Value) -> bool:
        """True when it waits for us."""
        return is_deleting(value) and self.finalizer in (value["metadata"].get("finalizers") or ())


class ClaimProtection(_Protection):
    """Claims that Pods use."""

    name = "pvc-protection-controller"
    resource = PERSISTENTVOLUMECLAIMS
    finalizer = CLAIM_FINALIZER

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._claims = self.watch_own(PERSISTENTVOLUMECLAIMS)
        self._pods = self.watch(PODS, _claims_of_pod)

    async def bring_right(self, place: Place) -> float | None:
        document = self._claims.get(*place)
        if document is None or not self.is_held(document.value):
            return None
        if any(place in _used_claims(pod.value) for pod in self._pods.list(place[0])):
            return None
        # A Pod that the copy here does not show yet may have been bound already.
        fresh = await self.client.list(PODS, place[0])
        if not any(place in _used_claims(pod.value) for pod in fresh.documents):
            await self.release(document.value)
        return None


class VolumeProtection(_Protection):
    """Volumes that are bound."""

    name = "pv-protection-controller"
    resource = PERSISTENTVOLUMES
    finalizer = VOLUME_FINALIZER

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._volumes = self.watch_own(PERSISTENTVOLUMES)

    async def bring_right(self, place: Place) -> float | None:
        document = self._volumes.get(*place)
        if document is None or not self.is_held(document.value):
            return None
        if document.value.get("status", {}).get("phase") != "Bound":
            await self.release(document.value)
        return None


def _claims_of_pod(document: Document) -> list[Place]:
    namespace = document.key.namespace
    return [(namespace, name) for name in _claim_names(document.value)]


def _used_claims(pod: Value) -> list[Place]:
    """The claims that a Pod keeps busy: one that has a node and has not ended."""
    if is_terminal(pod) or not node_name(pod):
        return []
    namespace, _ = place_of(pod)
    return [(namespace, name) for name in _claim_names(pod)]


def _claim_names(pod: Value) -> list[str]:
    names = []
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            names.append(volume["persistentVolumeClaim"]["claimName"])
        elif "ephemeral" in volume:
            names.append(f"{pod['metadata']['name']}-{volume['name']}")
    return names
