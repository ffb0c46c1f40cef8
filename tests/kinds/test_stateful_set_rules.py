"""What the API server accepts as a StatefulSet."""

from __future__ import annotations

from maru.core.document import Value
from maru.kinds.apps import StatefulSetStrategy


def stateful_set(mount: str) -> Value:
    container = {"name": "a", "image": "a", "volumeMounts": [{"name": mount, "mountPath": "/data"}]}
    value = {
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
        },
    }
    StatefulSetStrategy().default(value)
    return value


def test_a_container_may_mount_a_claim_template() -> None:
    assert not StatefulSetStrategy().validate(stateful_set("data"))


def test_a_container_may_not_mount_what_is_not_there() -> None:
    (cause,) = StatefulSetStrategy().validate(stateful_set("other"))
    assert cause.field == "spec.template.spec.containers[0].volumeMounts[0].name"
