"""What a Pod asks for as a whole."""

from __future__ import annotations

from maru.core.document import Value
from maru.kinds.pod_requests import effective
from maru.kinds.quantity import NANO


def container(cpu: str, **more: object) -> Value:
    return {"name": cpu, "resources": {"requests": {"cpu": cpu}}, **more}


def cpu_of(**spec: object) -> float:
    return effective({"spec": spec}).get("cpu", 0) / NANO


def test_containers_run_side_by_side() -> None:
    assert cpu_of(containers=[container("1"), container("2")]) == 3


def test_the_largest_init_container_counts_when_it_is_more() -> None:
    assert cpu_of(containers=[container("1")], initContainers=[container("4"), container("3")]) == 4


def test_a_sidecar_stays_beside_what_comes_after_it() -> None:
    sidecar = container("1", restartPolicy="Always")
    assert cpu_of(containers=[container("1")], initContainers=[sidecar]) == 2
    assert cpu_of(containers=[container("1")], initContainers=[sidecar, container("5")]) == 6
    assert cpu_of(containers=[container("1")], initContainers=[container("5"), sidecar]) == 5


def test_overhead_comes_on_top() -> None:
    assert cpu_of(containers=[container("1")], overhead={"cpu": "250m"}) == 1.25


def test_what_the_pod_says_for_itself_goes_before_the_sum() -> None:
    assert cpu_of(containers=[container("1")], resources={"requests": {"cpu": "3"}}) == 3


def test_a_limit_without_a_request_is_one() -> None:
    assert cpu_of(containers=[{"name": "a", "resources": {"limits": {"cpu": "2"}}}]) == 2
