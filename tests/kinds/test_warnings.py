"""What is accepted with a warning, in the real server's words."""

from __future__ import annotations

import pytest

from maru.core.document import Value
from maru.kinds.catalog import strategies
from tests.kinds.documents import CONTAINER, begun, good, pod

PORT = {"containerPort": 80}
CASES = {
    "same port twice": (
        "pods",
        pod({"ports": [PORT, PORT]}),
        "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
    ),
    "same port of two containers": (
        "deployments.apps",
        {
            "spec": {
                "template": {
                    "spec": {
                        "containers": [{**CONTAINER, "ports": [PORT]}, {"name": "d", "image": "i", "ports": [PORT]}]
                    }
                }
            }
        },
        "spec.template.spec.containers[1].ports[0]: duplicate port definition with "
        "spec.template.spec.containers[0].ports[0]",
    ),
    "variable twice": (
        "pods",
        pod({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    ),
    "old label": (
        "pods",
        {"spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}}},
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    ),
    "old annotation": (
        "pods",
        {"metadata": {"annotations": {"scheduler.alpha.kubernetes.io/critical-pod": ""}}},
        "metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: "
        'non-functional in v1.16+; use the "priorityClassName" field instead',
    ),
    "old volume": (
        "pods",
        {"spec": {"volumes": [{"name": "v", "gitRepo": {"repository": "r"}}]}},
        "spec.volumes[0].gitRepo: deprecated in v1.11",
    ),
    "part of a byte": (
        "pods",
        pod({"resources": {"limits": {"memory": "128m"}}}),
        'spec.containers[0].resources.limits[memory]: fractional byte value "128m" is invalid, must be an integer',
    ),
    "spread over nothing": (
        "pods",
        pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]),
        "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
    ),
    "secret twice": (
        "pods",
        pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}]),
        'spec.imagePullSecrets[1].name: duplicate name "a"',
    ),
    "ignored name": (
        "services",
        {"spec": {"externalName": "a.b"}},
        'spec.externalName is ignored when spec.type is not "ExternalName"',
    ),
}


@pytest.mark.parametrize(("storage", "change", "expected"), CASES.values(), ids=CASES)
def test_a_creator_is_warned(storage: str, change: Value, expected: str) -> None:
    assert expected in strategies().of(storage).warnings(begun(storage, good(storage, change)))


def test_a_template_that_did_not_change_is_not_warned_about_again() -> None:
    value = begun("deployments.apps", good("deployments.apps", CASES["same port of two containers"][1]))
    strategy = strategies().of("deployments.apps")
    assert strategy.warnings(value, None)
    assert not strategy.warnings({**value, "spec": {**value["spec"], "replicas": 3}}, value)


def test_good_documents_are_not_warned_about() -> None:
    for storage in ("pods", "deployments.apps", "services", "cronjobs.batch"):
        assert not strategies().of(storage).warnings(begun(storage, good(storage)))
