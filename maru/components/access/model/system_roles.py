"""The roles for parts of a cluster: discovery, nodes, scheduler, proxies, approvers of certificates.

Source: Kubernetes, "Using RBAC Authorization", core component roles; kube-apiserver 1.36's defaults.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.access.model.grammar import EVENTS, READ, at, cluster_role, on
from maru.core.document import Value
from maru.core.identity.rbac.rule import Rule

_CERTIFICATES = "certificates.k8s.io"
_REVIEWS = (
    on("authentication.k8s.io", "tokenreviews", "create"),
    on("authorization.k8s.io", "subjectaccessreviews", "create"),
)


def system_roles() -> Sequence[Value]:
    """All of them."""
    return (*_everybody(), *_certificates(), *_nodes(), *_scheduling(), *_others())


def _everybody() -> Sequence[Value]:
    health = "/healthz /livez /readyz /version /version/"
    return (
        cluster_role(
            "system:basic-user",
            on("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"),
            on("authentication.k8s.io", "selfsubjectreviews", "create"),
        ),
        cluster_role("system:discovery", at(f"/api /api/* /apis /apis/* /openapi /openapi/* {health}")),
        cluster_role("system:public-info-viewer", at(health)),
        cluster_role(
            "system:monitoring",
            at("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),
        ),
        cluster_role(
            "system:service-account-issuer-discovery", at("/.well-known/openid-configuration /openid/v1/jwks")
        ),
        cluster_role("system:auth-delegator", *_REVIEWS),
    )


def _certificates() -> Sequence[Value]:
    prefix = "system:certificates.k8s.io:"
    requests = f"{prefix}certificatesigningrequests:"
    return (
        cluster_role(f"{requests}nodeclient", on(_CERTIFICATES, "certificatesigningrequests/nodeclient", "create")),
        cluster_role(
            f"{requests}selfnodeclient", on(_CERTIFICATES, "certificatesigningrequests/selfnodeclient", "create")
        ),
        *(
            cluster_role(
                f"{prefix}{signer}-approver", on(_CERTIFICATES, "signers", "approve", f"kubernetes.io/{signer}")
            )
            for signer in (
                "kube-apiserver-client",
                "kube-apiserver-client-kubelet",
                "kubelet-serving",
                "legacy-unknown",
            )
        ),
        cluster_role(
            "system:node-bootstrapper", on(_CERTIFICATES, "certificatesigningrequests", "create get list watch")
        ),
    )


def _nodes() -> Sequence[Value]:
    return (
        cluster_role("system:node", *_node_rules()),
        cluster_role(
            "system:node-proxier",
            on("core", "endpoints services", "list watch"),
            on("core", "nodes", READ),
            EVENTS,
            on("discovery.k8s.io", "endpointslices", "list watch"),
        ),
        cluster_role(
            "system:node-problem-detector",
            on("core", "nodes", "get"),
            on("core", "nodes/status", "patch"),
            EVENTS,
        ),
        cluster_role(
            "system:kubelet-api-admin",
            on("core", "nodes", READ),
            on("core", "nodes", "proxy"),
            on("core", "nodes/log nodes/metrics nodes/proxy nodes/stats", "*"),
        ),
    )


def _node_rules() -> Sequence[Rule]:
    return (
        on("authentication.k8s.io", "tokenreviews", "create"),
        on("authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews", "create"),
        on("core", "services", READ),
        on("core", "nodes", f"create {READ}"),
        on("core", "nodes/status", "patch update"),
        on("core", "nodes", "patch update"),
        on("core", "events", "create patch update"),
        on("core", "pods", READ),
        on("core", "pods", "create delete"),
        on("core", "pods/status", "patch update"),
        on("core", "pods/eviction", "create"),
        on("core", "configmaps secrets", READ),
        on("core", "persistentvolumeclaims persistentvolumes", "get"),
        on("core", "endpoints", "get"),
        on(_CERTIFICATES, "certificatesigningrequests", "create get list watch"),
        on("coordination.k8s.io", "leases", "create delete get patch update"),
        on("storage.k8s.io", "volumeattachments", "get"),
        on("core", "serviceaccounts/token", "create"),
        on("core", "persistentvolumeclaims/status", "get patch update"),
        on("storage.k8s.io", "csidrivers", READ),
        on("storage.k8s.io", "csinodes", "create delete get patch update"),
        on("node.k8s.io", "runtimeclasses", READ),
    )


def _scheduling() -> Sequence[Value]:
    lease = "coordination.k8s.io"
    return (
        cluster_role(
            "system:kube-scheduler",
            EVENTS,
            on(lease, "leases", "create"),
            on(lease, "leases", "get update", "kube-scheduler"),
            on("core", "nodes", READ),
            on("core", "pods", f"delete {READ}"),
            on("core", "bindings pods/binding", "create"),
            on("core", "pods/status", "patch update"),
            on("core", "replicationcontrollers services", READ),
            on("apps extensions", "replicasets", READ),
            on("apps", "statefulsets", READ),
            on("policy", "poddisruptionbudgets", READ),
            on("core", "persistentvolumeclaims persistentvolumes", READ),
            *_REVIEWS,
            on("storage.k8s.io", "csinodes csidrivers csistoragecapacities", READ),
            on("core", "namespaces", READ),
            on("scheduling.k8s.io", "priorityclasses", READ),
        ),
        cluster_role(
            "system:volume-scheduler",
            on("core", "persistentvolumes", f"patch update {READ}"),
            on("storage.k8s.io", "storageclasses", READ),
            on("core", "persistentvolumeclaims", f"patch update {READ}"),
        ),
        cluster_role(
            "system:kube-controller-manager",
            EVENTS,
            on(lease, "leases", "create"),
            on(lease, "leases", "get update", "kube-controller-manager"),
            on("core", "secrets serviceaccounts", "create"),
            on("core", "secrets", "delete"),
            on("core", "configmaps namespaces secrets serviceaccounts", "get"),
            on("core", "secrets serviceaccounts", "update"),
            *_REVIEWS,
            on("*", "*", "list watch"),
            on("core", "serviceaccounts/token", "create"),
        ),
    )


def _others() -> Sequence[Value]:
    return (
        cluster_role(
            "system:kube-dns",
            on("core", "endpoints services", "list watch"),
            # Addresses and namespaces behind the names: CoreDNS' own role adds them to every cluster.
            on("core", "namespaces pods", "list watch"),
            on("discovery.k8s.io", "endpointslices", "list watch"),
        ),
        cluster_role("system:kube-aggregator", on("core", "endpoints services", READ)),
        cluster_role(
            "system:heapster",
            on("core", "events namespaces nodes pods", READ),
            on("extensions", "deployments", READ),
        ),
        cluster_role(
            "system:persistent-volume-provisioner",
            on("core", "persistentvolumes", f"create delete {READ}"),
            on("core", "persistentvolumeclaims", f"update {READ}"),
            on("storage.k8s.io", "storageclasses", READ),
            on("core", "events", "watch"),
            EVENTS,
        ),
    )
