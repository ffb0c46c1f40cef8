"""What an update may change, kind by kind, and what counts as a new generation."""

from __future__ import annotations

import copy

import pytest

from maru.core.document import Value
from maru.kinds.catalog import strategies
from tests.kinds.documents import CONTAINER, begun, good, merged, pod


def told(storage: str, before: Value, change: Value, subresource: str = "") -> list[str]:
    """What an update is refused for. before: changes to a good document; change: what is written over it."""
    old = begun(storage, good(storage, before))
    strategy = strategies().of(storage)
    new = merged(copy.deepcopy(old), change)
    strategy.default(new)
    strategy.prepare_update(new, old, subresource)
    return [f"{cause.field}: {cause.message}" for cause in strategy.validate_update(new, old, subresource)]


def containers(**fields: object) -> Value:
    return {"spec": {"containers": [{**CONTAINER, **fields}]}}


GATED = {"spec": {"schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}}}
EPHEMERAL = {"name": "d", "image": "i"}
ALLOWED = {
    "image": ({}, containers(image="j")),
    "deadline": ({}, {"spec": {"activeDeadlineSeconds": 5}}),
    "shorter deadline": ({"spec": {"activeDeadlineSeconds": 9}}, {"spec": {"activeDeadlineSeconds": 5}}),
    "toleration": ({}, {"spec": {"tolerations": [{"key": "a", "operator": "Exists"}]}}),
    "gate gone": (GATED, {"spec": {"schedulingGates": None}}),
    "narrower choice": (GATED, {"spec": {"nodeSelector": {"c": "d"}}}),
}
REFUSED = {
    "more containers": (
        {},
        {"spec": {"containers": [CONTAINER, {"name": "e", "image": "i"}]}},
        "spec.containers: Forbidden: pod updates may not add or remove containers",
    ),
    "longer deadline": (
        {"spec": {"activeDeadlineSeconds": 5}},
        {"spec": {"activeDeadlineSeconds": 9}},
        "spec.activeDeadlineSeconds: Invalid value: 9: must be less than or equal to previous value",
    ),
    "no deadline": (
        {"spec": {"activeDeadlineSeconds": 5}},
        {"spec": {"activeDeadlineSeconds": None}},
        "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
    ),
    "toleration gone": (
        {"spec": {"tolerations": [{"key": "a", "operator": "Exists"}]}},
        {"spec": {"tolerations": []}},
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
    ),
    "new gate": (
        {},
        {"spec": {"schedulingGates": [{"name": "h"}]}},
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'",
    ),
    "wider choice": (
        GATED,
        {"spec": {"nodeSelector": {"a": "c"}}},
        'spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed '
        "(no mutations or deletions)",
    ),
}


@pytest.mark.parametrize(("before", "change"), ALLOWED.values(), ids=ALLOWED)
def test_a_pod_may_change_a_little(before: Value, change: Value) -> None:
    assert told("pods", before, change) == []


@pytest.mark.parametrize(("before", "change", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_pod_may_not_change_more(before: Value, change: Value, expected: str) -> None:
    assert told("pods", before, change) == [expected]


def test_what_a_pod_may_change_is_listed() -> None:
    (text,) = told("pods", {}, containers(command=["other"]))
    assert text.startswith("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,")
    assert "`spec.tolerations` (only additions to existing tolerations)" in text


def test_ephemeral_containers_only_come() -> None:
    before = {"spec": {"ephemeralContainers": [EPHEMERAL]}}
    more = {"spec": {"ephemeralContainers": [EPHEMERAL, {"name": "e", "image": "i"}]}}
    assert told("pods", before, more, "ephemeralcontainers") == []
    (text,) = told("pods", before, {"spec": {"ephemeralContainers": []}}, "ephemeralcontainers")
    assert text == 'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed\n'


def test_a_resize_keeps_the_class_and_what_is_asked_for() -> None:
    before = pod({"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}})
    assert told("pods", before, containers(resources={"requests": {"cpu": "2", "memory": "1Gi"}}), "resize") == []
    gone = told("pods", before, containers(resources={"requests": {"cpu": "2"}}), "resize")
    assert gone == ["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"]
    (text,) = told("pods", {}, containers(resources={"requests": {"cpu": "2"}}), "resize")
    assert text == 'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'


def test_a_status_may_not_bring_a_finished_container_back() -> None:
    ended = {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}
    running = {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}
    strategy = strategies().of("pods")
    for policy, count in (("Never", 1), ("OnFailure", 1), ("Always", 0)):
        old = begun("pods", good("pods", {"spec": {"restartPolicy": policy}}))
        old["status"].update(ended)
        new = {**copy.deepcopy(old), "status": {**old["status"], **running}}
        strategy.prepare_update(new, old, "status")
        assert len(strategy.validate_update(new, old, "status")) == count


FIXED = {
    "deployments.apps": (
        {"spec": {"selector": {"matchLabels": {"app": "y"}}}},
        'spec.selector: Invalid value: {"matchLabels":{"app":"y"}}: field is immutable',
    ),
    "statefulsets.apps": (
        {"spec": {"serviceName": "other"}},
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
        "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
        "forbidden",
    ),
    "jobs.batch": ({"spec": {"completions": 3}}, "spec.completions: Invalid value: 3: field is immutable"),
    "storageclasses.storage.k8s.io": (
        {"provisioner": "d.e/f"},
        "provisioner: Forbidden: updates to provisioner are forbidden.",
    ),
    "priorityclasses.scheduling.k8s.io": ({"value": 11}, "value: Forbidden: may not be changed in an update."),
    "runtimeclasses.node.k8s.io": ({"handler": "other"}, 'handler: Invalid value: "other": field is immutable'),
    "endpointslices.discovery.k8s.io": (
        {"addressType": "IPv6"},
        'addressType: Invalid value: "IPv6": field is immutable',
    ),
    "rolebindings.rbac.authorization.k8s.io": (
        {"roleRef": {"name": "s"}},
        'roleRef: Invalid value: {"kind":"Role","name":"s","apiGroup":"rbac.authorization.k8s.io"}: '
        "cannot change roleRef",
    ),
    "persistentvolumes": (
        {"spec": {"hostPath": {"path": "/e"}}},
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation",
    ),
    "persistentvolumeclaims": (
        {"spec": {"accessModes": ["ReadWriteMany"]}},
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
        "bound claims",
    ),
    "ingressclasses.networking.k8s.io": (
        {"spec": {"controller": "a.b/d"}},
        'spec.controller: Invalid value: "a.b/d": field is immutable',
    ),
}


@pytest.mark.parametrize(("storage", "case"), FIXED.items(), ids=FIXED)
def test_what_a_kind_is_about_never_changes(storage: str, case: tuple[Value, str]) -> None:
    change, expected = case
    assert told(storage, {}, change) == [expected]


def test_frozen_maps_stay_as_they_are() -> None:
    before = {"immutable": True}
    why = "Forbidden: field is immutable when `immutable` is set"
    assert told("configmaps", before, {"data": {"a": "c"}}) == [f"data: {why}"]
    assert told("secrets", before, {"data": {"a": "Yw=="}}) == [f"data: {why}"]
    assert told("configmaps", before, {"immutable": False}) == [f"immutable: {why}"]


def test_a_bound_claim_may_grow() -> None:
    grown = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    assert told("persistentvolumeclaims", {}, grown) != []
    old = begun("persistentvolumeclaims", good("persistentvolumeclaims"))
    old["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    strategy = strategies().of("persistentvolumeclaims")
    assert not strategy.validate_update(merged(copy.deepcopy(old), grown), old, "")
    shrunk = merged(copy.deepcopy(old), {"spec": {"resources": {"requests": {"storage": "1Mi"}}}})
    (cause,) = strategy.validate_update(shrunk, old, "")
    assert cause.message == "Forbidden: field can not be less than status.capacity"


def test_a_cluster_address_stays() -> None:
    given = {"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}}
    moved = {"spec": {"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"]}}
    assert told("services", given, moved) == [
        'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'
    ]
    assert told("services", given, {"spec": {"type": "ExternalName", "externalName": "a.b"}}) == []


GENERATIONS = {
    "pods": True,
    "deployments.apps": True,
    "cronjobs.batch": True,
    "podtemplates": True,
    "networkpolicies.networking.k8s.io": True,
    "endpointslices.discovery.k8s.io": True,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": True,
    "flowschemas.flowcontrol.apiserver.k8s.io": True,
    "services": False,
    "nodes": False,
    "configmaps": False,
    "persistentvolumeclaims": False,
    "horizontalpodautoscalers.autoscaling": False,
    "leases.coordination.k8s.io": False,
}


@pytest.mark.parametrize(("storage", "expected"), GENERATIONS.items(), ids=GENERATIONS)
def test_kinds_count_their_generations_as_the_real_server_does(storage: str, expected: bool) -> None:
    assert strategies().of(storage).has_generation is expected
