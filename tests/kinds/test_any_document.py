"""Whatever fits a kind's schema is defaulted once and for all, and judged without an accident."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maru.core.document import Value
from maru.kinds.catalog import strategies
from maru.wire.k8s.schema import Schema, TypeNode, load_schema

DEPTH_MAX = 7
KINDS = {
    "pods": ("", "v1", "Pod"),
    "podtemplates": ("", "v1", "PodTemplate"),
    "services": ("", "v1", "Service"),
    "secrets": ("", "v1", "Secret"),
    "configmaps": ("", "v1", "ConfigMap"),
    "nodes": ("", "v1", "Node"),
    "namespaces": ("", "v1", "Namespace"),
    "endpoints": ("", "v1", "Endpoints"),
    "events": ("", "v1", "Event"),
    "replicationcontrollers": ("", "v1", "ReplicationController"),
    "persistentvolumes": ("", "v1", "PersistentVolume"),
    "persistentvolumeclaims": ("", "v1", "PersistentVolumeClaim"),
    "limitranges": ("", "v1", "LimitRange"),
    "resourcequotas": ("", "v1", "ResourceQuota"),
    "deployments.apps": ("apps", "v1", "Deployment"),
    "replicasets.apps": ("apps", "v1", "ReplicaSet"),
    "statefulsets.apps": ("apps", "v1", "StatefulSet"),
    "daemonsets.apps": ("apps", "v1", "DaemonSet"),
    "controllerrevisions.apps": ("apps", "v1", "ControllerRevision"),
    "jobs.batch": ("batch", "v1", "Job"),
    "cronjobs.batch": ("batch", "v1", "CronJob"),
    "horizontalpodautoscalers.autoscaling": ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    "poddisruptionbudgets.policy": ("policy", "v1", "PodDisruptionBudget"),
    "roles.rbac.authorization.k8s.io": ("rbac.authorization.k8s.io", "v1", "Role"),
    "clusterroles.rbac.authorization.k8s.io": ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
    "rolebindings.rbac.authorization.k8s.io": ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    "certificatesigningrequests.certificates.k8s.io": ("certificates.k8s.io", "v1", "CertificateSigningRequest"),
    "ingresses.networking.k8s.io": ("networking.k8s.io", "v1", "Ingress"),
    "ingressclasses.networking.k8s.io": ("networking.k8s.io", "v1", "IngressClass"),
    "networkpolicies.networking.k8s.io": ("networking.k8s.io", "v1", "NetworkPolicy"),
    "servicecidrs.networking.k8s.io": ("networking.k8s.io", "v1", "ServiceCIDR"),
    "ipaddresses.networking.k8s.io": ("networking.k8s.io", "v1", "IPAddress"),
    "endpointslices.discovery.k8s.io": ("discovery.k8s.io", "v1", "EndpointSlice"),
    "storageclasses.storage.k8s.io": ("storage.k8s.io", "v1", "StorageClass"),
    "volumeattachments.storage.k8s.io": ("storage.k8s.io", "v1", "VolumeAttachment"),
    "volumeattributesclasses.storage.k8s.io": ("storage.k8s.io", "v1", "VolumeAttributesClass"),
    "csinodes.storage.k8s.io": ("storage.k8s.io", "v1", "CSINode"),
    "csidrivers.storage.k8s.io": ("storage.k8s.io", "v1", "CSIDriver"),
    "csistoragecapacities.storage.k8s.io": ("storage.k8s.io", "v1", "CSIStorageCapacity"),
    "priorityclasses.scheduling.k8s.io": ("scheduling.k8s.io", "v1", "PriorityClass"),
    "runtimeclasses.node.k8s.io": ("node.k8s.io", "v1", "RuntimeClass"),
    "leases.coordination.k8s.io": ("coordination.k8s.io", "v1", "Lease"),
    "apiservices.apiregistration.k8s.io": ("apiregistration.k8s.io", "v1", "APIService"),
    **{
        f"{plural}.admissionregistration.k8s.io": ("admissionregistration.k8s.io", "v1", kind)
        for plural, kind in (
            ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
            ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
            ("validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
            ("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
        )
    },
    "flowschemas.flowcontrol.apiserver.k8s.io": ("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema"),
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": (
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "PriorityLevelConfiguration",
    ),
}
WORDS = (
    "", "a", "x-y", "A_b", "80", "10.0.0.1", "fd00::1", "10.0.0.0/8", "/", "/d", "../x", "a.b/c", "None", "True", "Always",
    "Never", "OnFailure", "TCP", "UDP", "Exists", "In", "NotIn", "DoesNotExist", "Gt", "Equal", "Indexed", "NonIndexed",
    "RollingUpdate", "Recreate", "OnDelete", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "ClientIP", "25%",
    "Localhost", "RuntimeDefault", "cpu", "memory", "hugepages-2Mi", "example.com/gpu", "metadata.name", "http://x:y",
    "https://[", "*/5 * * * *", "@every 1h", "UTC", "Local", "0-3", "1,x", "*.a.b", "Resource", "Utilization", "Limited",
    "Queue", "CREATE", "*", "kubernetes.io/tls", "Container", "Pod", "Bidirectional", "Approved", "Denied",
)  # fmt: skip
TEXT = st.sampled_from(WORDS) | st.text(max_size=4)
LEAVES: dict[str, st.SearchStrategy[object]] = {
    "string": TEXT,
    "boolean": st.booleans(),
    "integer": st.sampled_from((0, 1, 2, 80, 600, 70000)) | st.integers(-(2**31), 2**31 - 1),
    "number": st.floats(-10, 10),
    "int_or_string": st.integers(-5, 70000) | TEXT,
    "quantity": st.sampled_from(("0", "1", "-1", "500m", "1Gi", "128m", "2Mi", "1e3", "1e40", "9" * 70)),
    "time": st.just("2026-01-02T03:04:05Z"),
    "micro_time": st.just("2026-01-02T03:04:05.000000Z"),
    "bytes": st.sampled_from(("", "YQ==", "e30=")),
    "duration": TEXT,
    "any": st.just({"a": "b"}),
}


@cache
def schema() -> Schema:
    return load_schema()


@st.composite
def of(draw: st.DrawFn, node: TypeNode, depth: int = 0) -> object:
    """Any value of a type; the deeper, the less likely a field is there."""
    if node.kind in ("list", "map"):
        assert node.items is not None
        if depth >= DEPTH_MAX:
            return [] if node.kind == "list" else {}
        items = of(node.items, depth + 1)
        if node.kind == "list":
            return draw(st.lists(items, max_size=2))
        return draw(st.dictionaries(TEXT, items, max_size=2))
    if node.kind != "object":
        return draw(LEAVES[node.kind])
    if depth >= DEPTH_MAX:
        return {}
    names = sorted(node.fields)
    chosen = draw(st.lists(st.sampled_from(names), max_size=6, unique=True)) if names else []
    spine = [name for name in ("spec", "template", "containers", "rules", "metadata") if name in node.fields]
    return {name: draw(of(node.fields[name], depth + 1)) for name in dict.fromkeys([*spine, *chosen])}


OFTEN = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
SELDOM = settings(OFTEN, max_examples=12)


@OFTEN
@given(data=st.data())
def test_any_pod_is_defaulted_and_judged(data: st.DataObject) -> None:
    assert accidents("pods", data) == []


@pytest.mark.parametrize("storage", KINDS)
@SELDOM
@given(data=st.data())
def test_any_document_is_defaulted_and_judged(storage: str, data: st.DataObject) -> None:
    assert accidents(storage, data) == []


def accidents(storage: str, data: st.DataObject) -> list[object]:
    """What should not happen when a document is defaulted twice, created, checked, and written over itself."""
    node = schema().type_of(*KINDS[storage])
    assert node is not None
    drawn = data.draw(of(node))
    assert isinstance(drawn, dict)
    value: Value = {**drawn, "kind": KINDS[storage][2], "apiVersion": "v1"}
    value.setdefault("metadata", {}).setdefault("name", "x")
    strategy = strategies().of(storage)
    strategy.default(value)
    again = _copy(value)
    strategy.default(again)
    found: list[object] = [] if again == value else [("defaulted again", again)]
    strategy.prepare_create(value)
    causes = [*strategy.validate(value), *strategy.validate_create(value)]
    found += [cause for cause in causes if not cause.reason or not cause.message]
    strategy.warnings(value)
    strategy.selectable_fields(value)
    for subresource in ("", "status"):
        new = _copy(value)
        strategy.prepare_update(new, value, subresource)
        found += strategy.validate_update(new, value, subresource)
    return found


def _copy(value: object) -> Value:
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value  # type: ignore[return-value]
