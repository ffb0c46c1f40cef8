"""The configured webhooks and policies, read from the store when they are asked for.

Reading a kind that has no documents costs one look-up. Source: admissionregistration.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Resource, Value
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


def configured(store: Store, resource: Resource) -> Sequence[Value]:
    """All documents of one kind, by name."""
    if not store.count(resource.storage):
        return ()
    return [one.value for one in store.list(resource.storage).documents]


def bound(store: Store, policies: Resource, bindings: Resource) -> Sequence[tuple[Value, Value]]:
    """(policy, binding) of every binding whose policy is there."""
    found = {one["metadata"]["name"]: one for one in configured(store, policies)}
    if not found:
        return ()
    pairs = [(found.get(one["spec"].get("policyName")), one) for one in configured(store, bindings)]
    return [(policy, binding) for policy, binding in pairs if policy is not None]
