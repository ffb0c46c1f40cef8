"""Claims of ephemeral volumes: made for the Pod, and gone with it.

Source: k8s.io/kubernetes/pkg/controller/volume/ephemeral.
"""

from __future__ import annotations

from maru.components.workloads.controllers.kit import WARNING, Controller, Kit
from maru.components.workloads.model.values import Place, clone, is_controlled_by, owner_reference
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, Conflict
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PODS


class EphemeralVolumes(Controller):
    """Makes the claims."""

    name = "ephemeral-volume-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._claims = self.informer(PERSISTENTVOLUMECLAIMS)
        self._pods = self.watch(PODS, _place_if_ephemeral)

    async def bring_right(self, place: Place) -> float | None:
        document = self._pods.get(*place)
        if document is None or is_deleting(document.head):
            return None
        pod = document.value
        for volume in pod["spec"].get("volumes") or ():
            if "ephemeral" in volume:
                await self._ensure(pod, volume)
        return None

    async def _ensure(self, pod: Value, volume: Value) -> None:
        metadata = pod["metadata"]
        name = f"{metadata['name']}-{volume['name']}"
        existing = self._claims.get(metadata["namespace"], name)
        if existing is not None:
            if not is_controlled_by(existing.head, pod):
                text = f"PVC {metadata['namespace']}/{name} was not created for the pod"
                self.event(pod, WARNING, "FailedBinding", text)
            return
        template = volume["ephemeral"]["volumeClaimTemplate"]
        labels = template.get("metadata") or {}
        claim: Value = {
            "apiVersion": "v1",
            "kind": PERSISTENTVOLUMECLAIMS.kind,
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": clone(labels.get("labels") or {}),
                "annotations": clone(labels.get("annotations") or {}),
                "ownerReferences": [owner_reference(PODS, pod)],
            },
            "spec": clone(template["spec"]),
        }
        try:
            await self.client.create(PERSISTENTVOLUMECLAIMS, claim)
        except AlreadyExists:
            raise Conflict(what=f"claim {name}", why="the copy here does not show it yet") from None


def _place_if_ephemeral(document: Document) -> list[Place]:
    """Most Pods have no such volume: their bytes tell, undecoded."""
    return [(document.key.namespace, document.key.name)] if b'"ephemeral"' in document.body else []
