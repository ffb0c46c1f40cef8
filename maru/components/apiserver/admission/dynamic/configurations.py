"""The configured webhooks and policies, read from the store when they are asked for.

They are read anew only when one of them changed. Source: admissionregistration.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Document, Resource, Value
from maru.core.store.interface import Store

_GROUP = "admissionregistration.k8s.io"
MUTATING_WEBHOOKS = Resource(
    _GROUP, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False
)
VALIDATING_WEBHOOKS = Resource(
    _GROUP, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False
)
VALIDATING_POLICIES = Resource(
    _GROUP, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
)
VALIDATING_BINDINGS = Resource(
    _GROUP, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
)
MUTATING_POLICIES = Resource(_GROUP, "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", namespaced=False)
MUTATING_BINDINGS = Resource(
    _GROUP, "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", namespaced=False
)


class Configurations:
    """All of them, as they are in the store now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[Resource, tuple[Sequence[Document], Sequence[Value]]] = {}
        self._pairs: dict[Resource, tuple[tuple[object, object], Sequence[tuple[Value, Value]]]] = {}

    def of(self, resource: Resource) -> Sequence[Value]:
        """All documents of one kind, by name; the same object until one changes. Not to be changed."""
        if not self._store.count(resource.storage):
            return ()
        documents = self._store.list(resource.storage).documents
        kept = self._kept.get(resource)
        if kept is None or kept[0] is not documents:
            kept = self._kept[resource] = (documents, tuple(one.value for one in documents))
        return kept[1]

    def bound(self, policies: Resource, bindings: Resource) -> Sequence[tuple[Value, Value]]:
        """(policy, binding) of every binding whose policy is there."""
        known, given = self.of(policies), self.of(bindings)
        if not known or not given:
            return ()
        kept = self._pairs.get(policies)
        if kept is None or kept[0][0] is not known or kept[0][1] is not given:
            found = {one["metadata"]["name"]: one for one in known}
            pairs = [(found.get(one["spec"].get("policyName")), one) for one in given]
            kept = ((known, given), [(policy, binding) for policy, binding in pairs if policy is not None])
            self._pairs[policies] = kept
        return kept[1]
