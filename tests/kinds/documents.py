"""Good documents of many kinds, the smallest that are accepted, and ways to spoil them."""

from __future__ import annotations

import copy

from maru.core.document import Value
from maru.kinds.catalog import strategies
from maru.kinds.strategy import Cause

CONTAINER = {"name": "c", "image": "i"}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [CONTAINER]}}
SELECTOR = {"matchLabels": {"app": "x"}}
ONCE = {"metadata": {}, "spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
CLIENT = {"url": "https://hooks.example.com/x"}
HOOK = {"name": "a.b.c", "clientConfig": CLIENT, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
GOOD: dict[str, tuple[str, Value]] = {
    "pods": ("Pod", {"spec": {"containers": [CONTAINER]}}),
    "deployments.apps": ("Deployment", {"spec": {"selector": SELECTOR, "template": TEMPLATE}}),
    "replicasets.apps": ("ReplicaSet", {"spec": {"selector": SELECTOR, "template": TEMPLATE}}),
    "statefulsets.apps": ("StatefulSet", {"spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "x"}}),
    "daemonsets.apps": ("DaemonSet", {"spec": {"selector": SELECTOR, "template": TEMPLATE}}),
    "replicationcontrollers": ("ReplicationController", {"spec": {"template": TEMPLATE}}),
    "jobs.batch": ("Job", {"spec": {"template": ONCE}}),
    "cronjobs.batch": ("CronJob", {"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": ONCE}}}}),
    "services": ("Service", {"spec": {"ports": [{"port": 80}]}}),
    "configmaps": ("ConfigMap", {"data": {"a": "b"}}),
    "secrets": ("Secret", {"stringData": {"a": "b"}}),
    "nodes": ("Node", {}),
    "endpoints": ("Endpoints", {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}),
    "persistentvolumes": (
        "PersistentVolume",
        {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/d"}}},
    ),
    "persistentvolumeclaims": (
        "PersistentVolumeClaim",
        {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    ),
    "limitranges": ("LimitRange", {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}),
    "resourcequotas": ("ResourceQuota", {"spec": {"hard": {"pods": "1"}}}),
    "ingresses.networking.k8s.io": (
        "Ingress",
        {"spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]}},
    ),
    "ingressclasses.networking.k8s.io": ("IngressClass", {"spec": {"controller": "a.b/c"}}),
    "networkpolicies.networking.k8s.io": ("NetworkPolicy", {"spec": {"podSelector": {}}}),
    "endpointslices.discovery.k8s.io": (
        "EndpointSlice",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]},
    ),
    "horizontalpodautoscalers.autoscaling": (
        "HorizontalPodAutoscaler",
        {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}}},
    ),
    "poddisruptionbudgets.policy": ("PodDisruptionBudget", {"spec": {"minAvailable": 1, "selector": SELECTOR}}),
    "storageclasses.storage.k8s.io": ("StorageClass", {"provisioner": "a.b/c"}),
    "csidrivers.storage.k8s.io": ("CSIDriver", {"spec": {}}),
    "priorityclasses.scheduling.k8s.io": ("PriorityClass", {"value": 10}),
    "runtimeclasses.node.k8s.io": ("RuntimeClass", {"handler": "runc"}),
    "leases.coordination.k8s.io": ("Lease", {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 5}}),
    "clusterroles.rbac.authorization.k8s.io": (
        "ClusterRole",
        {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
    ),
    "rolebindings.rbac.authorization.k8s.io": (
        "RoleBinding",
        {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]},
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": (
        "ValidatingWebhookConfiguration",
        {"webhooks": [HOOK]},
    ),
    "validatingadmissionpolicies.admissionregistration.k8s.io": (
        "ValidatingAdmissionPolicy",
        {
            "spec": {
                "validations": [{"expression": "true"}],
                "matchConstraints": {
                    "resourceRules": [
                        {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["pods"]}
                    ]
                },
            }
        },
    ),
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": (
        "ValidatingAdmissionPolicyBinding",
        {"spec": {"policyName": "p", "validationActions": ["Deny"]}},
    ),
    "flowschemas.flowcontrol.apiserver.k8s.io": (
        "FlowSchema",
        {"spec": {"priorityLevelConfiguration": {"name": "exempt"}}},
    ),
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": (
        "PriorityLevelConfiguration",
        {"spec": {"type": "Limited", "limited": {}}},
    ),
}


def good(storage: str, change: Value | None = None, *, name: str = "x") -> Value:
    """A good document as a creator sends it, with `change` merged in (None takes a field out)."""
    kind, body = GOOD[storage]
    value = {"kind": kind, "metadata": {"name": name, "namespace": "default", "uid": "u"}, **copy.deepcopy(body)}
    return merged(value, change or {})


def merged(value: Value, change: Value) -> Value:
    """`change` over `value`: objects are merged, all else is replaced, None takes a field out."""
    for key, part in change.items():
        if part is None:
            value.pop(key, None)
        elif isinstance(part, dict) and isinstance(value.get(key), dict):
            value[key] = merged(value[key], part)
        else:
            value[key] = copy.deepcopy(part)
    return value


def begun(storage: str, value: Value) -> Value:
    """`value` after defaulting and what the server sets on a create."""
    strategy = strategies().of(storage)
    strategy.default(value)
    strategy.prepare_create(value)
    return value


def causes_of(storage: str, change: Value, *, name: str = "x") -> list[Cause]:
    """What is wrong with a new document that differs from a good one by `change`."""
    strategy = strategies().of(storage)
    value = begun(storage, good(storage, change, name=name))
    return [*strategy.validate(value), *strategy.validate_create(value)]


def told(storage: str, change: Value, *, name: str = "x") -> list[str]:
    """The same as `field: message`, as a client reads it."""
    return [f"{cause.field}: {cause.message}" for cause in causes_of(storage, change, name=name)]


def pod(container: Value | None = None, **spec: object) -> Value:
    """A change that gives a Pod one container with `container`'s fields, and `spec`'s."""
    return {"spec": {"containers": [{**CONTAINER, **(container or {})}], **spec}}
