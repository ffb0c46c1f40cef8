"""The roles for people: cluster-admin, and admin, edit and view, which gather what is labelled for them.

Source: Kubernetes, "Using RBAC Authorization", user-facing roles; kube-apiserver 1.36's defaults.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.access.model.grammar import READ, WRITE, aggregate, at, cluster_role, on
from maru.core.document import Value

_TO = "rbac.authorization.k8s.io/aggregate-to-"


def user_roles() -> Sequence[Value]:
    """All of them."""
    return (
        cluster_role("cluster-admin", on("*", "*", "*"), at("*", "*")),
        aggregate("admin", f"{_TO}admin"),
        aggregate("edit", f"{_TO}edit", {f"{_TO}admin": "true"}),
        aggregate("view", f"{_TO}view", {f"{_TO}edit": "true"}),
        _admin(),
        _edit(),
        _view(),
        cluster_role(
            "system:aggregated-metrics-reader",
            on("metrics.k8s.io", "nodes pods", READ),
            labels={f"{_TO}{role}": "true" for role in ("admin", "edit", "view")},
        ),
    )


def _admin() -> Value:
    return cluster_role(
        "system:aggregate-to-admin",
        on("authorization.k8s.io", "localsubjectaccessreviews", "create"),
        on(
            "rbac.authorization.k8s.io",
            "rolebindings roles",
            "create delete deletecollection get list patch update watch",
        ),
        labels={f"{_TO}admin": "true"},
    )


def _edit() -> Value:
    sessions = "pods/attach pods/exec pods/portforward pods/proxy"
    return cluster_role(
        "system:aggregate-to-edit",
        on("core", f"{sessions} secrets services/proxy", READ),
        on("core", "serviceaccounts", "impersonate"),
        on("core", f"pods {sessions}", WRITE),
        on("core", "pods/eviction", "create"),
        on(
            "core",
            "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale "
            "secrets serviceaccounts services services/proxy",
            WRITE,
        ),
        on("core", "serviceaccounts/token", "create"),
        on(
            "apps",
            "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale "
            "statefulsets statefulsets/scale",
            WRITE,
        ),
        on("autoscaling", "horizontalpodautoscalers", WRITE),
        on("batch", "cronjobs jobs", WRITE),
        on(
            "extensions",
            "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies "
            "replicasets replicasets/scale replicationcontrollers/scale",
            WRITE,
        ),
        on("policy", "poddisruptionbudgets", WRITE),
        on("networking.k8s.io", "ingresses networkpolicies", WRITE),
        on("coordination.k8s.io", "leases", "create delete deletecollection get list patch update watch"),
        labels={f"{_TO}edit": "true"},
    )


def _view() -> Value:
    return cluster_role(
        "system:aggregate-to-view",
        on(
            "core",
            "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
            "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
            READ,
        ),
        on(
            "core",
            "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
            "resourcequotas resourcequotas/status",
            READ,
        ),
        on("core", "namespaces", READ),
        on("discovery.k8s.io", "endpointslices", READ),
        on(
            "apps",
            "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
            "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
            READ,
        ),
        on("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", READ),
        on("batch", "cronjobs cronjobs/status jobs jobs/status", READ),
        on(
            "extensions",
            "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses "
            "ingresses/status networkpolicies replicasets replicasets/scale replicasets/status "
            "replicationcontrollers/scale",
            READ,
        ),
        on("policy", "poddisruptionbudgets poddisruptionbudgets/status", READ),
        on("networking.k8s.io", "ingresses ingresses/status networkpolicies", READ),
        labels={f"{_TO}view": "true"},
    )
