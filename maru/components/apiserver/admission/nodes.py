"""NodeRestriction: a node writes only about itself and the Pods it runs.

Source: Kubernetes docs, "Admission Controllers", NodeRestriction; k8s.io/kubernetes/plugin/pkg/
admission/noderestriction.
"""

from __future__ import annotations

from maru.components.apiserver.admission.review import CREATE, DELETE, UPDATE, Review, Rule
from maru.components.apiserver.errors import denied
from maru.core.access import GROUP_NODES
from maru.core.document import Resource, Value, key_of
from maru.core.store.interface import Store
from maru.kinds.resources import LEASES, NODES, PODS, SERVICEACCOUNTS

_USER = "system:node:"
_MIRROR = "kubernetes.io/config.mirror"
_LABEL_DOMAINS = ("kubernetes.io", "k8s.io")
_LABELS_OF_A_KUBELET = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    }
)
_PREFIXES_OF_A_KUBELET = ("kubelet.kubernetes.io/", "node.kubernetes.io/")
_LEASE_NAMESPACE = "kube-node-lease"


class NodeRestriction(Rule):
    """Looks only at callers that are nodes."""

    name = "NodeRestriction"

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Pods, nodes, leases and service account tokens."""
        return resource.storage in (PODS.storage, NODES.storage, LEASES.storage, SERVICEACCOUNTS.storage)

    async def admit(self, review: Review) -> None:
        """Raises Denied."""
        if GROUP_NODES not in review.caller.groups or not review.caller.name.startswith(_USER):
            return
        node = review.caller.name.removeprefix(_USER)
        storage = review.stored.storage
        if storage == PODS.storage:
            self._check_pod(review, node)
        elif storage == NODES.storage:
            _check_node(review, node)
        elif storage == LEASES.storage:
            _check_lease(review, node)

    def _check_pod(self, review: Review, node: str) -> None:
        if review.operation == CREATE and not review.subresource:
            pod = review.value or {}
            if _MIRROR not in (pod["metadata"].get("annotations") or {}):
                why = f'pod does not have "{_MIRROR}" annotation, node "{node}" can only create mirror pods'
                raise denied(PODS, review.name, why)
            _check_runs(pod, review, node)
        elif review.operation in (UPDATE, DELETE) or review.subresource == "eviction":
            if review.operation == UPDATE and review.subresource != "status":
                raise denied(PODS, review.name, f'node "{node}" can only update the status of pods')
            document = self._store.get(key_of(PODS, review.namespace, review.name))
            if document is not None:
                _check_runs(document.value, review, node)


def _check_runs(pod: Value, review: Review, node: str) -> None:
    runs_on = (pod.get("spec") or {}).get("nodeName") or ""
    if runs_on != node:
        raise denied(PODS, review.name, f'node "{node}" can only act on pods with spec.nodeName set to itself')


def _check_node(review: Review, node: str) -> None:
    name = review.name or (review.value or {}).get("metadata", {}).get("name", "")
    if review.operation == DELETE:
        raise denied(NODES, name, f'node "{node}" is not allowed to delete nodes')
    if name != node:
        raise denied(NODES, name, f'node "{node}" is not allowed to modify node "{name}"')
    value, old = review.value or {}, review.old or {}
    if review.operation == CREATE:
        changed = {key for key in value["metadata"].get("labels") or {} if not _is_allowed(key)}
    else:
        have, want = old["metadata"].get("labels") or {}, value["metadata"].get("labels") or {}
        changed = {key for key in have.keys() | want.keys() if have.get(key) != want.get(key) and not _is_allowed(key)}
        if (value.get("spec") or {}).get("taints") != (old.get("spec") or {}).get("taints"):
            raise denied(NODES, name, f'node "{node}" is not allowed to modify taints')
    if changed:
        listing = ", ".join(sorted(changed))
        raise denied(NODES, name, f'node "{node}" is not allowed to modify labels: {listing}')


def _check_lease(review: Review, node: str) -> None:
    name = review.name or (review.value or {}).get("metadata", {}).get("name", "")
    if review.namespace != _LEASE_NAMESPACE or name != node:
        why = f'can only access node lease with the same name as the requesting node in namespace "{_LEASE_NAMESPACE}"'
        raise denied(LEASES, name, why)


def _is_allowed(label: str) -> bool:
    """Whether a kubelet may set the label: its own, or one outside of Kubernetes' domains."""
    prefix, slash, _ = label.partition("/")
    if not slash or label in _LABELS_OF_A_KUBELET or label.startswith(_PREFIXES_OF_A_KUBELET):
        return True
    return not any(prefix == domain or prefix.endswith(f".{domain}") for domain in _LABEL_DOMAINS)
