"""The arithmetic of rollouts."""

from __future__ import annotations

from maru.components.workloads.model.deployments import (
    fenceposts,
    new_replicas,
    old_sizes,
    proportional_sizes,
    set_annotations,
    to_clean,
)
from maru.core.document import Value


def deployment(replicas: int, surge: object = "25%", missing: object = "25%", **spec: object) -> Value:
    rolling = {"maxSurge": surge, "maxUnavailable": missing}
    return {
        "metadata": {"name": "web", "namespace": "n", "annotations": {"team": "a"}},
        "spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}, **spec},
    }


def replica_set(name: str, replicas: int, available: int | None = None, most: int | None = None, age: int = 0) -> Value:
    annotations = {} if most is None else {"deployment.kubernetes.io/max-replicas": str(most)}
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-01-02T03:04:{age:02}Z", "annotations": annotations},
        "spec": {"replicas": replicas},
        "status": {"availableReplicas": replicas if available is None else available},
    }


def sizes(found: object) -> dict[str, int]:
    assert isinstance(found, list | tuple)
    return {each["metadata"]["name"]: size for each, size in found}


def test_percentages_round_up_for_surge_and_down_for_unavailable() -> None:
    assert fenceposts(deployment(10)) == (3, 2)
    assert fenceposts(deployment(3, "0%", "10%")) == (0, 1)


def test_the_new_set_grows_into_the_room_there_is() -> None:
    old, new = replica_set("old", 8), replica_set("new", 0)
    assert new_replicas(deployment(10), [old, new], new) == 5
    assert new_replicas(deployment(10), [replica_set("old", 13), new], new) == 0


def test_broken_pods_of_old_sets_go_first() -> None:
    old = replica_set("old", 10, available=8)
    new = replica_set("new", 3, available=0)
    assert sizes(old_sizes(deployment(10), new, [old])) == {"old": 8}


def test_old_pods_go_only_as_far_as_availability_allows() -> None:
    old, new = replica_set("old", 8), replica_set("new", 5, available=2)
    assert sizes(old_sizes(deployment(10), new, [old])) == {"old": 6}


def test_growth_while_rolling_is_shared_in_proportion() -> None:
    old, new = replica_set("old", 10, most=13, age=1), replica_set("new", 3, most=13, age=2)
    found = sizes(proportional_sizes(deployment(20), new, [old]))
    assert sum(found.values()) == 25 and found["old"] > 10 and found["new"] > 3


def test_scaling_to_nothing_takes_all_away() -> None:
    old, new = replica_set("old", 2, most=4), replica_set("new", 2, most=4)
    assert set(sizes(proportional_sizes(deployment(0), new, [old])).values()) == {0}


def test_history_beyond_its_limit_is_forgotten_oldest_first() -> None:
    olds = []
    for revision in (3, 1, 2):
        each = replica_set(f"r{revision}", 0)
        each["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = str(revision)
        olds.append(each)
    gone = to_clean(deployment(1, revisionHistoryLimit=1), olds)
    assert [each["metadata"]["name"] for each in gone] == ["r1", "r2"]


def test_a_set_that_becomes_new_again_remembers_its_earlier_revision() -> None:
    known = replica_set("known", 1)
    known["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    annotations = set_annotations(deployment(1), known, 3)
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1" and annotations["team"] == "a"
