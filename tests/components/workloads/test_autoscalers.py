"""How many replicas: the documented algorithm, case by case, with the numbers worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maru.components.workloads.model.autoscaler_rates import Bounds, Past, Stamped, pace, scaled
from maru.components.workloads.model.autoscaler_usage import Figure, Rules, Target, propose
from maru.components.workloads.model.autoscalers import Failure, Metric, Proposal, failed, measured, plan, target_of
from maru.core.clock import rfc3339
from maru.core.errors import Invalid, NotSupported, Unavailable

NOW = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
HALF = Target("cpu", percent=50)


def pod(name: str, ready: str = "True", *, phase: str = "Running", age_s: float = 3600, **more: Any) -> dict[str, Any]:
    """Ready since it is 5 s old; requests 1 cpu and 1000 bytes."""
    started = NOW - timedelta(seconds=age_s)
    moved = started + timedelta(seconds=more.pop("moved_s", 5))
    return {
        "metadata": {"name": name, **more},
        "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "1", "memory": "1000"}}}]},
        "status": {
            "phase": phase,
            "startTime": rfc3339(started),
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": rfc3339(moved)}],
        },
    }


def figures(*milli: int | None) -> dict[str, Figure]:
    return {f"p{n}": Figure(one, NOW, 10) for n, one in enumerate(milli) if one is not None}


def proposed(milli: list[int | None], target: Target = HALF, current: int | None = None, **changed: Any) -> int:
    """Of Pods p0.. that use `milli`; `changed` replaces some of them."""
    pods = [changed.get(f"p{n}") or pod(f"p{n}") for n in range(len(milli))]
    return propose(current or len(pods), target, pods, figures(*milli), Rules(NOW)).replicas


@pytest.mark.parametrize(
    ("milli", "want"),
    [
        ([500, 500, 500], 3),  # as wanted
        ([540, 540, 540], 3),  # 1.08 is within the tolerance
        ([550, 550, 550], 3),  # and so is 1.1
        ([560, 560, 560], 4),  # 1.12 is not
        ([460, 460, 460], 3),  # 0.92 is within
        ([300, 300, 300], 2),  # 0.6 * 3 = 1.8
        ([1000, 1000, 1000], 6),
        ([0, 0, 0], 0),  # the minimum is somebody else's
        ([300, 500, 700], 3),
    ],
)
def test_replicas_follow_the_ratio_beyond_the_tolerance(milli: list[int | None], want: int) -> None:
    assert proposed(milli) == want


@pytest.mark.parametrize(
    ("milli", "want"),
    [
        ([1000, 1000, None], 4),  # 2.0; with nothing for the third: 2000/3000 = 66%, 1.32 * 3
        ([600, 600, None], 3),  # 1.2; with nothing: 40%, which would turn the direction
        ([200, 200, None], 3),  # 0.4; with all it asks for: 46%, within the tolerance
        ([50, 50, None], 3),  # 0.1; with all: 36%, 0.72 * 3 = 2.16
        ([10, 10, 10, 10, None], 2),  # with all: 1040/5000 = 20%, 0.4 * 5
    ],
)
def test_pods_without_figures_dampen(milli: list[int | None], want: int) -> None:
    assert proposed(milli) == want


def test_unready_pods_count_as_idle_when_scaling_up_and_not_at_all_when_down() -> None:
    young = pod("p2", "False", age_s=20)
    assert proposed([1000, 1000, 1000], p2=young) == 4  # 2000/3000 = 66%, 1.32 * 3
    assert proposed([100, 100, 1000], p2=young) == 1  # 10% of the two: 0.2 * 2
    assert proposed([1000, 1000, 1000], p2=pod("p2", phase="Pending")) == 4


def test_pod_that_became_unready_late_counts_and_one_that_never_was_does_not() -> None:
    assert proposed([1000, 1000], p1=pod("p1", "False", moved_s=600)) == 4
    assert proposed([1000, 1000], p1=pod("p1", "False", moved_s=10)) == 2


def test_young_pod_counts_once_its_figure_is_of_a_whole_window_after_it_was_ready() -> None:
    assert proposed([1000, 1000], p1=pod("p1", age_s=60, moved_s=45)) == 4
    assert proposed([1000, 1000], p1=pod("p1", age_s=60, moved_s=55)) == 2
    memory = Target("memory", milli=500_000)
    assert proposed([1_000_000, 1_000_000], memory, p1=pod("p1", age_s=60, moved_s=55)) == 4


def test_pods_that_go_or_failed_are_left_out() -> None:
    assert proposed([1000, 1000, 0], p2=pod("p2", deletionTimestamp="2026-01-02T03:00:00Z")) == 4
    assert proposed([1000, 1000, None], p2=pod("p2", phase="Failed")) == 4


def test_average_value_goes_by_the_amount_and_needs_no_request() -> None:
    target = Target("memory", milli=100)
    bare = pod("p0")
    del bare["spec"]["containers"][0]["resources"]
    answer = propose(1, target, [bare], figures(350), Rules(NOW))
    assert (answer.replicas, answer.percent, answer.milli) == (4, None, 350)
    assert proposed([150, None], target) == 2
    assert proposed([50, None], target) == 2


def test_request_that_is_missing_is_named() -> None:
    bare = pod("p1")
    del bare["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    with pytest.raises(Invalid, match="missing request for cpu in container main of Pod p1"):
        proposed([1, 1], p1=bare)


def test_only_the_named_container_s_request_counts() -> None:
    two = pod("p0")
    two["spec"]["containers"].append({"name": "side", "resources": {"requests": {"cpu": "100m"}}})
    side = Target("cpu", percent=50, container="side")
    assert propose(1, side, [two], figures(100), Rules(NOW)) == Proposal(2, 100, 100)
    assert propose(1, HALF, [two], figures(1100), Rules(NOW)).percent == 100


def test_nothing_to_go_by_is_said() -> None:
    with pytest.raises(Unavailable, match="No pods returned by selector"):
        proposed([])
    with pytest.raises(Unavailable, match="pods might be unready"):
        proposed([1000], p0=pod("p0", "False", age_s=10))


def test_tolerances_of_both_sides_are_apart() -> None:
    pods = [pod("p0"), pod("p1")]
    rules = Rules(NOW, tolerance_up=0.0, tolerance_down=0.5)
    assert propose(2, HALF, pods, figures(510, 510), rules).replicas == 3
    assert propose(2, HALF, pods, figures(260, 260), rules).replicas == 2


def bounds(least: int = 1, most: int = 100, **behavior: Any) -> Bounds:
    return Bounds(least, most, behavior or None)


def rules(*policies: tuple[str, int, int], window_s: int = 0, choice: str = "Max") -> dict[str, Any]:
    listed = [{"type": kind, "value": value, "periodSeconds": period_s} for kind, value, period_s in policies]
    return {"policies": listed, "stabilizationWindowSeconds": window_s, "selectPolicy": choice}


@pytest.mark.parametrize(
    ("current", "desired", "given", "want", "reason"),
    [
        (3, 5, bounds(), 5, "DesiredWithinRange"),
        (1, 10, bounds(), 4, "ScaleUpLimit"),
        (5, 20, bounds(), 10, "ScaleUpLimit"),
        (5, 20, bounds(most=8), 8, "TooManyReplicas"),
        (5, 0, bounds(least=2), 2, "TooFewReplicas"),
        (10, 100, bounds(scaleUp=rules(("Pods", 3, 60))), 13, "ScaleUpLimit"),
        (10, 100, bounds(scaleUp=rules(("Pods", 3, 60), ("Percent", 55, 60))), 16, "ScaleUpLimit"),
        (10, 100, bounds(scaleUp=rules(("Pods", 3, 60), ("Percent", 55, 60), choice="Min")), 13, "ScaleUpLimit"),
        (10, 100, bounds(scaleUp=rules(("Pods", 3, 60), choice="Disabled")), 10, "ScaleUpLimit"),
        (1, 100, bounds(scaleUp=rules(("Percent", 5, 60))), 2, "ScaleUpLimit"),
        (10, 1, bounds(scaleDown=rules(("Pods", 3, 60))), 7, "ScaleDownLimit"),
        (10, 1, bounds(scaleDown=rules(("Pods", 3, 60), ("Percent", 55, 60))), 4, "ScaleDownLimit"),
        (10, 1, bounds(scaleDown=rules(("Pods", 3, 60), ("Percent", 55, 60), choice="Min")), 7, "ScaleDownLimit"),
        (10, 1, bounds(scaleDown=rules(("Pods", 3, 60), choice="Disabled")), 10, "ScaleDownLimit"),
        (10, 1, bounds(least=5, scaleDown=rules(("Percent", 100, 15))), 5, "TooFewReplicas"),
        (10, 100, bounds(scaleDown=rules(("Pods", 3, 60))), 20, "ScaleUpLimit"),  # the side left out: 4 or the double
    ],
)
def test_rate_is_bounded(current: int, desired: int, given: Bounds, want: int, reason: str) -> None:
    paced = pace(current, desired, given, Past(), 1000)
    assert (paced.replicas, paced.limited[0]) == (want, reason)
    assert paced.is_limited == (reason != "DesiredWithinRange")


def test_what_came_and_went_within_a_policy_s_period_counts_against_it() -> None:
    given = bounds(scaleUp=rules(("Pods", 4, 60)), scaleDown=rules(("Pods", 2, 60)))
    past = scaled(10, 13, given, Past(), 1000)
    assert pace(13, 50, given, past, 1030).replicas == 14
    assert pace(13, 50, given, past, 1061).replicas == 17
    past = scaled(13, 11, given, past, 1040)
    assert pace(11, 50, given, past, 1050).replicas == 14, "those that went may come back"
    assert scaled(14, 15, given, past, 2000) == Past((), (Stamped(1, 2000.0),), ())


def test_scaling_down_waits_for_the_highest_of_the_window() -> None:
    past = Past((Stamped(8, 800.0), Stamped(6, 900.0)))
    paced = pace(8, 3, bounds(), past, 1000)
    assert (paced.replicas, paced.able[0]) == (8, "ScaleDownStabilized")
    paced = pace(8, 3, bounds(), past, 1150)
    assert paced.replicas == 6
    assert pace(8, 3, bounds(), paced.past, 1500).replicas == 3


def test_scaling_up_waits_for_the_lowest_of_its_window() -> None:
    given = bounds(scaleUp=rules(("Pods", 100, 60), window_s=60))
    past = Past((Stamped(4, 950.0),))
    paced = pace(3, 9, given, past, 1000)
    assert (paced.replicas, paced.able[0]) == (4, "ScaleUpStabilized")
    assert pace(3, 9, given, Past((Stamped(4, 900.0),)), 1000).replicas == 9


def metric(replicas: int | None, name: str = "cpu") -> Metric:
    if replicas is None:
        return Metric("", None, Failure("FailedGetResourceMetric", "no figures", f"failed {name}"), None)
    return Metric(name, Proposal(replicas, 1, 1), None, None)


@pytest.mark.parametrize(
    ("current", "proposals", "want", "reason"),
    [
        (3, [2, 5, 4], 5, "m1 above target"),
        (5, [2, 4, 3], None, ""),
        (4, [8, None], 8, "m0 above target"),  # one is broken: up is safe
        (4, [2, None], None, ""),  # and down is not
        (0, [], None, ""),
        (40, [], 20, "Current number of replicas above Spec.MaxReplicas"),
        (1, [], 2, "Current number of replicas below Spec.MinReplicas"),
    ],
)
def test_greatest_proposal_counts_and_bounds_come_first(
    current: int, proposals: list[int | None], want: int | None, reason: str
) -> None:
    metrics = [metric(replicas, f"m{n}") for n, replicas in enumerate(proposals)]
    made = plan(current, bounds(2, 20), metrics, Past(), 0.0)
    assert made.replicas == want
    if want is not None:
        assert made.reason == reason


def test_conditions_say_why_nothing_is_done() -> None:
    zero = plan(0, bounds(), [], Past(), 0.0)
    assert zero.conditions["ScalingActive"][1][0] == "ScalingDisabled"
    broken = plan(4, bounds(), [metric(2), metric(None)], Past(), 0.0)
    assert broken.is_void and broken.error == "invalid metrics (1 invalid out of 2), first error is: failed cpu"
    is_active, (why, text) = broken.conditions["ScalingActive"]
    assert (is_active, why, text) == (
        False,
        "FailedGetResourceMetric",
        "the HPA was unable to compute the replica count: no figures",
    )


def test_metrics_that_need_an_adapter_fail_as_where_none_is_installed() -> None:
    spec = {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"averageValue": "1k"}}}
    with pytest.raises(NotSupported, match="custom metrics API") as caught:
        target_of(spec)
    failure = failed(spec, None, caught.value.why).failure
    assert failure is not None and failure.reason == "FailedGetPodsMetric"
    assert failure.text.startswith("failed to get pods metric value: unable to get metric rps")


def test_status_of_a_metric_has_its_amounts_in_the_api_s_words() -> None:
    spec = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    status = measured(spec, target_of(spec), Proposal(3, 12, 120)).status
    current = {"averageValue": "120m", "averageUtilization": 12}
    assert status == {"type": "Resource", "resource": {"name": "cpu", "current": current}}
    memory = {"name": "memory", "container": "app", "target": {"type": "AverageValue", "averageValue": "10Mi"}}
    spec = {"type": "ContainerResource", "containerResource": memory}
    target = target_of(spec)
    assert target == Target("memory", milli=10 * 1024**2 * 1000, container="app")
    status = measured(spec, target, Proposal(3, None, 4_096_000)).status
    assert status is not None
    assert status["containerResource"] == {"name": "memory", "container": "app", "current": {"averageValue": "4096"}}
