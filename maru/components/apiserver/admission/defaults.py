"""Defaults that are documents themselves: the default storage class and the default ingress class; and the
finalizers that keep volumes while they are used.

Source: k8s.io/kubernetes/plugin/pkg/admission: storage/storageclass/setdefault,
network/defaultingressclass, storage/storageobjectinuseprotection.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.apiserver.admission.review import CREATE, Review, Rule
from maru.core.document import Document, Resource
from maru.core.store.interface import Store
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES

STORAGE_CLASSES = "storageclasses.storage.k8s.io"
INGRESS_CLASSES = "ingressclasses.networking.k8s.io"
INGRESSES = "ingresses.networking.k8s.io"
_STORAGE_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_STORAGE_BETA = "volume.beta.kubernetes.io/storage-class"
_INGRESS_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_INGRESS_OLD = "kubernetes.io/ingress.class"
_PROTECTED: Mapping[str, str] = {
    PERSISTENTVOLUMECLAIMS.storage: "kubernetes.io/pvc-protection",
    PERSISTENTVOLUMES.storage: "kubernetes.io/pv-protection",
}


class DefaultStorageClass(Rule):
    """A claim without a class gets the default one; of several the newest counts."""

    name = "DefaultStorageClass"

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates of claims."""
        return operation == CREATE and resource.storage == PERSISTENTVOLUMECLAIMS.storage and not subresource

    async def admit(self, review: Review) -> None:
        """Sets spec.storageClassName."""
        assert review.value is not None
        spec = review.value.setdefault("spec", {})
        annotations = review.value["metadata"].get("annotations") or {}
        if spec.get("storageClassName") is not None or _STORAGE_BETA in annotations:
            return
        chosen = _newest_default(self._store, STORAGE_CLASSES, _STORAGE_DEFAULT)
        if chosen is not None:
            spec["storageClassName"] = chosen.key.name


class DefaultIngressClass(Rule):
    """An Ingress without a class gets the default one."""

    name = "DefaultIngressClass"

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates of Ingresses."""
        return operation == CREATE and resource.storage == INGRESSES and not subresource

    async def admit(self, review: Review) -> None:
        """Sets spec.ingressClassName."""
        assert review.value is not None
        spec = review.value.setdefault("spec", {})
        annotations = review.value["metadata"].get("annotations") or {}
        if spec.get("ingressClassName") is not None or _INGRESS_OLD in annotations:
            return
        chosen = _newest_default(self._store, INGRESS_CLASSES, _INGRESS_DEFAULT)
        if chosen is not None:
            spec["ingressClassName"] = chosen.key.name


class StorageObjectInUseProtection(Rule):
    """Volumes and claims are kept by a finalizer until nothing uses them."""

    name = "StorageObjectInUseProtection"

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates of volumes and claims."""
        return operation == CREATE and resource.storage in _PROTECTED and not subresource

    async def admit(self, review: Review) -> None:
        """Adds the finalizer."""
        assert review.value is not None
        metadata = review.value["metadata"]
        finalizer = _PROTECTED[review.stored.storage]
        if finalizer not in (metadata.get("finalizers") or []):
            metadata["finalizers"] = [*(metadata.get("finalizers") or []), finalizer]


def _newest_default(store: Store, storage: str, annotation: str) -> Document | None:
    found = [
        one
        for one in store.list(storage).documents
        if (one.metadata.get("annotations") or {}).get(annotation) == "true"
    ]
    return max(found, key=lambda one: (one.metadata.get("creationTimestamp", ""), one.key.name), default=None)
