"""One role per controller, under the real controllers' names.

Maru's controllers patch where the real ones update, so whoever may do one of the two may do both;
each may also read the kinds it writes. Source: kube-apiserver 1.36's defaults,
plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.access.model.grammar import EVENTS, READ, cluster_role, on
from maru.core.document import Value
from maru.core.identity.rbac.rule import Rule

PREFIX = "system:controller:"
_CHANGE = "patch update"
_OWN = f"create delete {_CHANGE} {READ}"
_APPS = "apps extensions"


def controller_roles() -> Sequence[Value]:
    """All of them."""
    return [
        cluster_role(f"{PREFIX}{name}", *rules, EVENTS)
        for table in (_workloads(), _scaling(), _cluster(), _housekeeping(), _network(), _volumes())
        for name, rules in table.items()
    ]


Table = Mapping[str, Sequence[Rule]]


def _workloads() -> Table:
    revisions = on("apps", "controllerrevisions", _OWN)
    pods = on("core", "pods", _OWN)
    return {
        "cronjob-controller": (
            on("batch", "cronjobs", f"{_CHANGE} {READ}"),
            on("batch", "cronjobs/status cronjobs/finalizers", _CHANGE),
            on("batch", "jobs", _OWN),
            on("core", "pods", f"delete {READ}"),
        ),
        "daemon-set-controller": (
            on(_APPS, "daemonsets", READ),
            on(_APPS, "daemonsets/status daemonsets/finalizers", _CHANGE),
            on("core", "nodes", READ),
            pods,
            on("core", "pods/binding", "create"),
            revisions,
        ),
        "deployment-controller": (
            on(_APPS, "deployments", f"{_CHANGE} {READ}"),
            on(_APPS, "deployments/status deployments/finalizers", _CHANGE),
            on(_APPS, "replicasets", _OWN),
            on("core", "pods", f"{_CHANGE} {READ}"),
        ),
        "job-controller": (
            on("batch", "jobs", f"{_CHANGE} {READ}"),
            on("batch", "jobs/status jobs/finalizers", _CHANGE),
            pods,
            on("core", "pods/status", _CHANGE),
        ),
        "replicaset-controller": (
            on(_APPS, "replicasets", f"{_CHANGE} {READ}"),
            on(_APPS, "replicasets/status replicasets/finalizers", _CHANGE),
            pods,
        ),
        "replication-controller": (
            on("core", "replicationcontrollers", f"{_CHANGE} {READ}"),
            on("core", "replicationcontrollers/status replicationcontrollers/finalizers", _CHANGE),
            pods,
        ),
        "statefulset-controller": (
            on("apps", "statefulsets", f"{_CHANGE} {READ}"),
            on("apps", "statefulsets/status statefulsets/finalizers", _CHANGE),
            pods,
            on("core", "pods/finalizers", _CHANGE),
            revisions,
            on("core", "persistentvolumeclaims", _OWN),
        ),
        "ttl-after-finished-controller": (on("batch", "jobs", f"delete {READ}"),),
    }


def _scaling() -> Table:
    return {
        "horizontal-pod-autoscaler": (
            on("autoscaling", "horizontalpodautoscalers", READ),
            on("autoscaling", "horizontalpodautoscalers/status", _CHANGE),
            on("*", "*/scale", f"get {_CHANGE}"),
            on("core", "pods", READ),
            on("metrics.k8s.io", "pods", READ),
            on("custom.metrics.k8s.io external.metrics.k8s.io", "*", READ),
        ),
        "disruption-controller": (
            on(_APPS, "deployments replicasets", READ),
            on("core", "replicationcontrollers", READ),
            on("policy", "poddisruptionbudgets", READ),
            on("apps", "statefulsets", READ),
            on("policy", "poddisruptionbudgets/status", _CHANGE),
            on("core", "pods", READ),
            on("core", "pods/status", _CHANGE),
            on("*", "*/scale", "get"),
        ),
    }


def _cluster() -> Table:
    signers = (
        "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet "
        "kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown"
    )
    return {
        "certificate-controller": (
            on("certificates.k8s.io", "certificatesigningrequests", f"delete {READ}"),
            on(
                "certificates.k8s.io",
                "certificatesigningrequests/approval certificatesigningrequests/status",
                _CHANGE,
            ),
            on("certificates.k8s.io", "signers", "approve", "kubernetes.io/kube-apiserver-client-kubelet"),
            on("certificates.k8s.io", "signers", "sign", signers),
            on("authorization.k8s.io", "subjectaccessreviews", "create"),
        ),
        "clusterrole-aggregation-controller": (
            on("rbac.authorization.k8s.io", "clusterroles", f"escalate {_CHANGE} {READ}"),
        ),
        "generic-garbage-collector": (on("*", "*", f"delete {_CHANGE} {READ}"),),
        "namespace-controller": (
            on("core", "namespaces", f"delete {_CHANGE} {READ}"),
            on("core", "namespaces/finalize namespaces/status", _CHANGE),
            on("*", "*", f"delete deletecollection {READ}"),
        ),
    }


def _housekeeping() -> Table:
    return {
        "node-controller": (
            on("core", "nodes", f"delete {_CHANGE} {READ}"),
            on("core", "nodes/status", _CHANGE),
            on("core", "pods/status", _CHANGE),
            on("core", "pods", f"delete {READ}"),
            on("coordination.k8s.io", "leases", READ),
        ),
        "taint-eviction-controller": (
            on("core", "nodes", READ),
            on("core", "pods", f"delete {READ}"),
            on("core", "pods/status", _CHANGE),
        ),
        "pod-garbage-collector": (
            on("core", "pods", f"delete {READ}"),
            on("core", "nodes", READ),
            on("core", "pods/status", _CHANGE),
        ),
        "resourcequota-controller": (
            on("*", "*", READ),
            on("core", "resourcequotas/status", _CHANGE),
        ),
        "root-ca-cert-publisher": (
            on("core", "configmaps", f"create {_CHANGE} {READ}"),
            on("core", "namespaces", READ),
        ),
        "service-account-controller": (
            on("core", "serviceaccounts", f"create {READ}"),
            on("core", "namespaces", READ),
        ),
        "service-account-tokens-controller": (
            on("core", "serviceaccounts", f"{_CHANGE} {READ}"),
            on("core", "secrets", f"create delete {_CHANGE} {READ}"),
            on("core", "serviceaccounts/token", "create"),
        ),
        "legacy-service-account-token-cleaner": (on("core", "secrets", f"delete patch {READ}"),),
        "ttl-controller": (on("core", "nodes", f"{_CHANGE} {READ}"),),
    }


def _network() -> Table:
    slices = on("discovery.k8s.io", "endpointslices", f"create delete {_CHANGE} {READ}")
    return {
        "endpoint-controller": (
            on("core", "pods services", READ),
            on("core", "endpoints", f"create delete {_CHANGE} {READ}"),
            on("core", "endpoints/restricted", "create"),
        ),
        "endpointslice-controller": (
            on("core", "nodes pods services", READ),
            on("core", "services/finalizers", _CHANGE),
            slices,
        ),
        "endpointslicemirroring-controller": (
            on("core", "endpoints services", READ),
            on("core", "services/finalizers endpoints/finalizers", _CHANGE),
            slices,
        ),
        "service-controller": (
            on("core", "services", f"{_CHANGE} {READ}"),
            on("core", "services/status", _CHANGE),
            on("core", "nodes", READ),
        ),
        "service-cidrs-controller": (
            on("networking.k8s.io", "servicecidrs", f"{_CHANGE} {READ}"),
            on("networking.k8s.io", "servicecidrs/finalizers servicecidrs/status", _CHANGE),
            on("networking.k8s.io", "ipaddresses", READ),
        ),
    }


def _volumes() -> Table:
    claims, volumes = "persistentvolumeclaims", "persistentvolumes"
    return {
        "attachdetach-controller": (
            on("core", f"{claims} {volumes} pods", READ),
            on("core", "nodes", READ),
            on("core", "nodes/status", _CHANGE),
            on("storage.k8s.io", "volumeattachments", f"create delete {READ}"),
            on("storage.k8s.io", "csidrivers csinodes", READ),
        ),
        "ephemeral-volume-controller": (
            on("core", "pods", READ),
            on("core", "pods/finalizers", _CHANGE),
            on("core", claims, f"create {READ}"),
        ),
        "expand-controller": (
            on("core", volumes, f"{_CHANGE} {READ}"),
            on("core", f"{claims}/status", _CHANGE),
            on("core", claims, READ),
        ),
        "persistent-volume-binder": (
            on("core", volumes, f"create delete {_CHANGE} {READ}"),
            on("core", f"{volumes}/status", _CHANGE),
            on("core", claims, f"{_CHANGE} {READ}"),
            on("core", f"{claims}/status", _CHANGE),
            on("core", "pods", f"create delete {READ}"),
            on("storage.k8s.io", "storageclasses", READ),
            on("core", "nodes", READ),
        ),
        "pv-protection-controller": (on("core", volumes, f"{_CHANGE} {READ}"),),
        "pvc-protection-controller": (
            on("core", claims, f"{_CHANGE} {READ}"),
            on("core", f"{claims}/status", _CHANGE),
            on("core", "pods", READ),
        ),
    }
