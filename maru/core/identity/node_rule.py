"""What a node may do: what its kubelet needs, and of Secrets and their like only what its Pods use.

The real server keeps a graph of references; here the Pods of the one namespace are looked through,
which is cheap because only documents whose bytes name both the node and the thing are decoded.
Source: Kubernetes, "Using Node Authorization"; plugin/pkg/auth/authorizer/node and the NodeRestriction
admission plugin (which keeps a node from touching other nodes and their Pods).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from maru.core.access import GROUP_NODES, Attributes, Caller, Decision
from maru.core.document import Key, Value
from maru.core.store.interface import Store

USER_PREFIX = "system:node:"
_READ = frozenset({"get", "list", "watch"})
_WRITE = frozenset({"update", "patch"})
_LEASE_NAMESPACE = "kube-node-lease"

# (group, resource/subresource) -> verbs that need no further look.
_PLAIN: dict[tuple[str, str], frozenset[str]] = {
    ("", "services"): _READ,
    ("", "pods"): _READ | {"create"},
    ("", "endpoints"): frozenset({"get"}),
    ("", "nodes"): _READ | {"create"},
    ("", "events"): _WRITE | {"create"},
    ("events.k8s.io", "events"): _WRITE | {"create"},
    ("authentication.k8s.io", "tokenreviews"): frozenset({"create"}),
    ("authorization.k8s.io", "subjectaccessreviews"): frozenset({"create"}),
    ("authorization.k8s.io", "localsubjectaccessreviews"): frozenset({"create"}),
    ("certificates.k8s.io", "certificatesigningrequests"): _READ | {"create"},
    ("node.k8s.io", "runtimeclasses"): _READ,
    ("storage.k8s.io", "csidrivers"): _READ,
    ("storage.k8s.io", "volumeattachments"): frozenset({"get"}),
    ("resource.k8s.io", "resourceslices"): _READ | _WRITE | {"create", "delete", "deletecollection"},
}
# Named things that a node may only touch when they are itself.
_OWN: dict[tuple[str, str], frozenset[str]] = {
    ("", "nodes"): _WRITE,
    ("", "nodes/status"): _WRITE,
    ("storage.k8s.io", "csinodes"): _WRITE | {"get", "delete"},
}
_OF_OWN_PODS: dict[tuple[str, str], frozenset[str]] = {
    ("", "pods"): frozenset({"delete"}),
    ("", "pods/status"): _WRITE,
    ("", "pods/eviction"): frozenset({"create"}),
}
_REFERENCED: dict[tuple[str, str], frozenset[str]] = {
    ("", "secrets"): _READ,
    ("", "configmaps"): _READ,
    ("", "persistentvolumeclaims"): frozenset({"get"}),
    ("", "persistentvolumeclaims/status"): _WRITE | {"get"},
    ("", "serviceaccounts"): frozenset({"get"}),
    ("", "serviceaccounts/token"): frozenset({"create"}),
}


class NodeRule:
    """Answers for callers `system:node:NAME` in the group of nodes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, caller: Caller, attributes: Attributes) -> Decision | None:
        """The decision for a node; None for anybody else."""
        if not caller.name.startswith(USER_PREFIX) or GROUP_NODES not in caller.groups:
            return None
        node = caller.name.removeprefix(USER_PREFIX)
        return Decision(self._allows(node, attributes), "node authorizer")

    def _allows(self, node: str, attributes: Attributes) -> bool:
        if not attributes.is_resource:
            return False
        resource = f"{attributes.resource}/{attributes.subresource}" if attributes.subresource else attributes.resource
        place, verb = (attributes.group, resource), attributes.verb
        if verb in _PLAIN.get(place, ()):
            return True
        if verb in _OWN.get(place, ()):
            return attributes.name == node
        if verb in _OF_OWN_PODS.get(place, ()):
            return self._runs_on(node, attributes.namespace, attributes.name)
        if verb in _REFERENCED.get(place, ()):
            return bool(attributes.name) and self._is_referenced(node, attributes)
        if place == ("", "persistentvolumes") and verb == "get":
            return self._is_volume_referenced(node, attributes.name)
        if place == ("storage.k8s.io", "csinodes"):
            return verb == "create"
        if place == ("coordination.k8s.io", "leases"):
            return _may_lease(node, attributes)
        return False

    def _runs_on(self, node: str, namespace: str, name: str) -> bool:
        document = self._store.get(Key("pods", namespace, name))
        return document is not None and document.value.get("spec", {}).get("nodeName") == node

    def _is_referenced(self, node: str, attributes: Attributes) -> bool:
        wanted = (attributes.resource, attributes.name)
        return any(wanted in set(_references(pod)) for pod in self._pods(node, attributes.namespace, attributes.name))

    def _is_volume_referenced(self, node: str, name: str) -> bool:
        document = self._store.get(Key("persistentvolumes", "", name))
        claim = (document.value.get("spec", {}).get("claimRef") or {}) if document is not None else {}
        wanted = ("persistentvolumeclaims", claim.get("name", ""))
        return bool(wanted[1]) and any(
            wanted in set(_references(pod)) for pod in self._pods(node, claim.get("namespace", ""), wanted[1])
        )

    def _pods(self, node: str, namespace: str, name: str) -> Iterator[Value]:
        """The Pods on `node` that mention `name`. Decoded here, not kept: Secrets are read seldom."""
        node_bytes, name_bytes = f'"{node}"'.encode(), f'"{name}"'.encode()
        for document in self._store.list("pods", namespace).documents if namespace else ():
            if node_bytes in document.body and name_bytes in document.body:
                pod: Value = msgspec.json.decode(document.body)
                if pod.get("spec", {}).get("nodeName") == node:
                    yield pod


def _may_lease(node: str, attributes: Attributes) -> bool:
    if attributes.namespace != _LEASE_NAMESPACE or attributes.subresource:
        return False
    if attributes.verb == "create":
        return attributes.name in ("", node)
    return attributes.verb in _WRITE | {"get", "delete"} and attributes.name == node


def _references(pod: Value) -> Iterator[tuple[str, str]]:
    """(resource, name) of everything in its namespace that the Pod's node must read for it."""
    spec = pod.get("spec", {})
    yield "serviceaccounts", spec.get("serviceAccountName") or "default"
    for secret in spec.get("imagePullSecrets") or ():
        yield "secrets", secret.get("name", "")
    for volume in spec.get("volumes") or ():
        yield from _volume_references(volume)
        if "ephemeral" in volume:
            yield "persistentvolumeclaims", f"{pod['metadata']['name']}-{volume.get('name', '')}"
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            yield from _environment_references(container)


def _volume_references(volume: Value) -> Iterator[tuple[str, str]]:
    if "secret" in volume:
        yield "secrets", volume["secret"].get("secretName", "")
    if "configMap" in volume:
        yield "configmaps", volume["configMap"].get("name", "")
    if "persistentVolumeClaim" in volume:
        yield "persistentvolumeclaims", volume["persistentVolumeClaim"].get("claimName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "secret" in source:
            yield "secrets", source["secret"].get("name", "")
        if "configMap" in source:
            yield "configmaps", source["configMap"].get("name", "")
    yield "secrets", ((volume.get("csi") or {}).get("nodePublishSecretRef") or {}).get("name", "")


def _environment_references(container: Value) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        yield "secrets", (source.get("secretRef") or {}).get("name", "")
        yield "configmaps", (source.get("configMapRef") or {}).get("name", "")
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom") or {}
        yield "secrets", (origin.get("secretKeyRef") or {}).get("name", "")
        yield "configmaps", (origin.get("configMapKeyRef") or {}).get("name", "")
