"""The documents every cluster starts with, as values.

Source: k8s.io/kubernetes/pkg/controlplane (systemnamespaces, default service reconciler),
pkg/registry/scheduling/rest, pkg/registry/flowcontrol (apis/flowcontrol/bootstrap).
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_EVERYTHING: Value = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
_EVERY_PATH: Value = {"verbs": ["*"], "nonResourceURLs": ["*"]}


def namespaces() -> Sequence[Value]:
    """The four namespaces of the system."""
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in SYSTEM_NAMESPACES]


def priority_classes() -> Sequence[Value]:
    """The two priorities of the system."""
    critical = (
        ("system-node-critical", 2_000_001_000, "must not be moved from their current node."),
        (
            "system-cluster-critical",
            2_000_000_000,
            "must run in the cluster, but can be moved to another node if necessary.",
        ),
    )
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": f"Used for system critical pods that {text}",
            "preemptionPolicy": "PreemptLowerPriority",
        }
        for name, value, text in critical
    ]


def service(address: str, port: int) -> Value:
    """default/kubernetes."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
            "sessionAffinity": "None",
        },
    }


def endpoints(address: str, port: int) -> Sequence[Value]:
    """Where default/kubernetes leads: an EndpointSlice, and the older Endpoints."""
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
            },
            "subsets": [
                {
                    "addresses": [{"ip": address}],
                    "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
                }
            ],
        },
    ]


def service_cidr(cidr: str) -> Value:
    """The range that cluster addresses come from."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [cidr]},
    }


def api_service(group: str, version: str) -> Value:
    """A group version that this server serves itself."""
    is_core = group == ""
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {
            "name": f"{version}.{group}",
            "labels": {
                "kube-aggregator.kubernetes.io/automanaged": "onstart" if is_core or "." not in group else "true"
            },
        },
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 18000 if is_core else 17000,
            "versionPriority": 1 if is_core else 15,
        },
    }


def priority_levels() -> Sequence[Value]:
    """The levels of API priority and fairness that the real server always has, and its suggested ones."""
    limited = (
        ("catch-all", 5, 0, False),
        ("leader-election", 10, 0, True),
        ("node-high", 40, 25, True),
        ("system", 30, 33, True),
        ("workload-high", 40, 50, True),
        ("workload-low", 100, 90, True),
        ("global-default", 20, 50, True),
    )
    levels: list[Value] = [
        _level("exempt", {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}})
    ]
    for name, shares, lendable, is_queued in limited:
        response: Value = {"type": "Reject"}
        if is_queued:
            queues = {
                "queues": 128 if "workload" in name or "default" in name else 64,
                "handSize": 6,
                "queueLengthLimit": 50,
            }
            response = {"type": "Queue", "queuing": queues}
        limit = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
        levels.append(_level(name, {"type": "Limited", "limited": limit}))
    return levels


def flow_schemas() -> Sequence[Value]:
    """Which requests go to which level."""
    masters = [_group("system:masters")]
    everybody = [_group("system:unauthenticated"), _group("system:authenticated")]
    accounts = [_group("system:serviceaccounts")]
    return [
        _schema("exempt", "exempt", 1, masters),
        _schema("system-nodes", "system", 500, [_group("system:nodes")]),
        _schema("kube-scheduler", "workload-high", 800, [_user("system:kube-scheduler")]),
        _schema("kube-controller-manager", "workload-high", 800, [_user("system:kube-controller-manager")]),
        _schema("service-accounts", "workload-low", 9000, accounts),
        _schema("global-default", "global-default", 9900, everybody),
        _schema("catch-all", "catch-all", 10000, everybody),
    ]


def _level(name: str, spec: Value) -> Value:
    return _flow("PriorityLevelConfiguration", name, spec)


def _schema(name: str, level: str, precedence: int, subjects: Sequence[Value]) -> Value:
    rule = {"subjects": list(subjects), "resourceRules": [dict(_EVERYTHING)], "nonResourceRules": [dict(_EVERY_PATH)]}
    spec: Value = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [rule],
    }
    if name not in ("exempt", "catch-all"):
        spec["distinguisherMethod"] = {"type": "ByUser"}
    return _flow("FlowSchema", name, spec)


def _flow(kind: str, name: str, spec: Value) -> Value:
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}},
        "spec": spec,
    }


def _group(name: str) -> Value:
    return {"kind": "Group", "group": {"name": name}}


def _user(name: str) -> Value:
    return {"kind": "User", "user": {"name": name}}
