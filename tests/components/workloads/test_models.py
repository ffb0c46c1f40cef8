"""Smaller rules of the workload controllers."""

from __future__ import annotations

from datetime import UTC, datetime

from maru.components.workloads.model.endpoint_slices import SLICE_MAX, Head, plan
from maru.components.workloads.model.hashing import template_hash
from maru.components.workloads.model.job_pods import parse_indexes, write_indexes
from maru.components.workloads.model.replica_sets import rank_for_deletion
from maru.core.document import Value
from maru.kinds.resources import SERVICES

NOW = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)


def pod(name: str, node: str = "n1", ready: bool = True, cost: str = "", minute: int = 0) -> Value:
    stamp = f"2026-01-02T03:{minute:02}:00Z"
    status = "True" if ready else "False"
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": stamp,
            "annotations": {"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {},
        },
        "spec": {"nodeName": node},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": stamp}],
        },
    }


def order(*pods: Value) -> list[str]:
    return [each["metadata"]["name"] for each in rank_for_deletion(pods, pods, NOW)]


def test_the_unassigned_the_broken_and_the_cheap_go_before_others() -> None:
    assert order(pod("a"), pod("b", node="")) == ["b", "a"]
    assert order(pod("a"), pod("b", ready=False)) == ["b", "a"]
    assert order(pod("a"), pod("b", cost="-5")) == ["b", "a"]


def test_the_crowded_and_the_young_go_before_others() -> None:
    assert order(pod("a", "n1"), pod("b", "n2"), pod("c", "n2"))[0] in ("b", "c")
    assert order(pod("old", minute=0), pod("young", "n2", minute=59))[0] == "young"


def test_a_template_has_one_hash_whatever_the_order_of_its_fields() -> None:
    one = template_hash({"a": 1, "b": [1, 2]}, None)
    assert one == template_hash({"b": [1, 2], "a": 1}, None)
    assert one != template_hash({"a": 1, "b": [2, 1]}, None) and one != template_hash({"a": 1, "b": [1, 2]}, 0)


def test_indexes_are_written_short_and_read_back() -> None:
    assert write_indexes([0, 1, 2, 4, 6, 7]) == "0-2,4,6,7"
    assert parse_indexes("0-2,4,6,7") == {0, 1, 2, 4, 6, 7}
    assert write_indexes([]) == "" and parse_indexes("") == set()


def entries(*numbers: int) -> list[Value]:
    return [
        {"addresses": [f"10.0.{number // 250}.{number % 250}"], "conditions": {"ready": True}} for number in numbers
    ]


def head() -> Head:
    owner = {"metadata": {"name": "s", "namespace": "n", "uid": "u"}}
    return Head("n", "s", {"a": "b"}, {}, owner, SERVICES)


def test_slices_hold_at_most_a_hundred_and_one_change_touches_one_of_them() -> None:
    names = iter(f"{number:05}" for number in range(99))
    group = ("IPv4", (("http", "TCP", 80, ""),))
    made = plan(head(), {group: entries(*range(250))}, [], lambda: next(names)).create
    assert sorted(len(each["endpoints"]) for each in made) == [50, SLICE_MAX, SLICE_MAX]
    without_one = [number for number in range(250) if number != 7]
    changed = plan(head(), {group: entries(*without_one)}, made, lambda: next(names))
    assert len(changed.update) == 1 and not changed.create and not changed.delete
    same = plan(head(), {group: entries(*range(250))}, made, lambda: next(names))
    assert not same.update and not same.create and not same.delete
