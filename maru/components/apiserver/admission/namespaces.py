"""NamespaceLifecycle: nothing is made in a namespace that is not there or is going away.

Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from __future__ import annotations

from maru.components.apiserver.admission.review import CREATE, DELETE, Review, Rule
from maru.components.apiserver.errors import denied, not_found
from maru.core.document import Resource, key_of
from maru.core.errors import Denied
from maru.core.store.interface import Store
from maru.kinds.resources import NAMESPACES

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
_REVIEWS = frozenset({"localsubjectaccessreviews", "selfsubjectaccessreviews"})


class NamespaceLifecycle(Rule):
    """Checks the namespace of every create, and protects the system's own namespaces."""

    name = "NamespaceLifecycle"

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates in namespaces, and deletes of namespaces."""
        if operation == DELETE:
            return resource.storage == NAMESPACES.storage
        return operation == CREATE and resource.namespaced and resource.plural not in _REVIEWS

    async def admit(self, review: Review) -> None:
        """Raises NotFound or Denied."""
        if review.operation == DELETE:
            if review.name in IMMORTAL:
                raise denied(NAMESPACES, review.name, "this namespace may not be deleted")
            return
        namespace = self._store.get(key_of(NAMESPACES, "", review.namespace))
        if namespace is None:
            raise not_found(NAMESPACES, review.namespace)
        if namespace.metadata.get("deletionTimestamp"):
            raise _terminating(review, namespace.key.name)


def _terminating(review: Review, namespace: str) -> Denied:
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    causes = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    return denied(review.resource, review.name, why, causes)
