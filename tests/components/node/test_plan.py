"""What is planned for a Pod, from what is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from maru.components.node.model.backoff import Backoff, go_duration, raised
from maru.components.node.model.plan import Discard, End, MakeSandbox, Start, Stop, Teardown, plan
from maru.components.node.model.probing import Tally, counted, probe_of
from maru.components.node.model.restart import should_restart
from maru.components.node.model.status import pod_status
from maru.components.node.model.status_patch import status_patch
from maru.components.node.model.view import Attempt, Ending, Health, Picture, Waiting, containers_of
from maru.contracts.runtime import ContainerState
from maru.core.document import Value

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EMPTY = Picture(now=NOW, now_s=100.0)
BOX = replace(EMPTY, sandbox_id="box", ips=("10.0.0.2",))


def pod(*names: str, inits: tuple[str, ...] = (), sidecars: tuple[str, ...] = (), **spec: Any) -> Value:
    first = [{"name": name, "image": "i"} for name in inits]
    first += [{"name": name, "image": "i", "restartPolicy": "Always"} for name in sidecars]
    containers = [{"name": name, "image": "i"} for name in names or ("app",)]
    metadata = {"name": "p", "namespace": "default", "uid": "u", "generation": 1}
    return {"metadata": metadata, "spec": {"initContainers": first, "containers": containers, **spec}}


def attempt(name: str, state: str = "running", code: int | None = None, number: int = 0) -> Attempt:
    container_id = f"{name}-{number}"
    return Attempt(container_id, name, number, "box", ContainerState(state), exit_code=code, image="i", finished_at="")


def picture(*attempts: Attempt, base: Picture = BOX, **changes: Any) -> Picture:
    by_name: dict[str, list[Attempt]] = {}
    for one in sorted(attempts, key=lambda one: -one.number):
        by_name.setdefault(one.name, []).append(one)
    health = {one.id: Health() for one in attempts if one.is_running} | changes.pop("health", {})
    return replace(base, attempts=by_name, health=health, **changes)


def started(value: Value, seen: Picture) -> list[tuple[str, int]]:
    return [(action.container.name, action.number) for action in plan(value, seen).actions if isinstance(action, Start)]


def test_sandbox_comes_first_and_waits_its_turn_after_a_failure() -> None:
    assert plan(pod(), EMPTY).actions == [MakeSandbox()]
    held = plan(pod(), replace(EMPTY, sandbox_retry_at_s=107.0))
    assert (list(held.actions), held.wake_at_s) == ([], 107.0)
    assert plan(pod(), replace(EMPTY, is_busy=True)).actions == ()


def test_inits_come_one_by_one_and_all_others_together() -> None:
    value = pod("a", "b", inits=("one", "two"))
    assert started(value, picture()) == [("one", 0)]
    assert started(value, picture(attempt("one"))) == []
    assert started(value, picture(attempt("one", "exited", 0))) == [("two", 0)]
    done = (attempt("one", "exited", 0), attempt("two", "exited", 0))
    assert started(value, picture(*done)) == [("a", 0), ("b", 0)]


def test_next_waits_for_a_sidecar_that_has_started() -> None:
    value = pod("app", sidecars=("proxy",))
    not_started = {"proxy-0": Health(started=False, ready=False)}
    assert started(value, picture(attempt("proxy"), health=not_started)) == []
    assert started(value, picture(attempt("proxy"))) == [("app", 0)]


def test_crashed_sidecar_is_restarted_beside_running_containers() -> None:
    value = pod("app", sidecars=("proxy",), restartPolicy="Never")
    assert started(value, picture(attempt("proxy", "exited", 1), attempt("app"))) == [("proxy", 1)]


def test_back_off_holds_a_restart() -> None:
    waiting = {"app": Waiting("CrashLoopBackOff", "", 110.0)}
    made = plan(pod(), picture(attempt("app", "exited", 1), waiting=waiting))
    assert (list(made.actions), made.wake_at_s) == ([], 110.0)
    assert started(pod(), picture(attempt("app", "exited", 1))) == [("app", 1)]


def test_restart_count_goes_on_from_the_status_when_the_containers_are_lost() -> None:
    value = pod()
    value["status"] = {"containerStatuses": [{"name": "app", "containerID": "maru://x", "restartCount": 4}]}
    assert started(value, picture()) == [("app", 5)]


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [("Always", 0, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_restart_policy_decides(policy: str, code: int, again: bool) -> None:
    value = pod(restartPolicy=policy)
    assert should_restart(value, containers_of(value)[0], attempt("app", "exited", code)) is again


def test_container_rules_come_before_the_pods_policy() -> None:
    value = pod(restartPolicy="Never")
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    value["spec"]["containers"][0] |= {"restartPolicy": "Never", "restartPolicyRules": [rule]}
    container = containers_of(value)[0]
    assert should_restart(value, container, attempt("app", "exited", 42))
    assert not should_restart(value, container, attempt("app", "exited", 1))


def test_pod_ends_when_its_regular_containers_have() -> None:
    value = pod("app", sidecars=("proxy",), restartPolicy="Never")
    assert plan(value, picture(attempt("app", "exited", 0), attempt("proxy"))).actions == [End()]


def test_stopping_goes_from_the_containers_to_the_sidecars_in_reverse() -> None:
    value = pod("app", sidecars=("one", "two"))
    ending = Ending(130.0)
    running = [attempt("one"), attempt("two"), attempt("app")]

    def stopped(*attempts: Attempt, **changes: Any) -> list[str]:
        actions = plan(value, picture(*attempts, ending=ending, **changes)).actions
        return [action.attempt.name for action in actions if isinstance(action, Stop)]

    assert stopped(*running) == ["app"]
    assert stopped(*running, stopping=frozenset(["app-0"])) == []
    assert stopped(*running[:2], attempt("app", "exited", 0)) == ["two"]
    assert stopped(running[0]) == ["one"]
    assert sorted(stopped(*running, now_s=131.0)) == ["app", "one", "two"]
    assert plan(value, picture(ending=ending)).actions == [Teardown()]


def test_unhealthy_and_changed_containers_are_stopped() -> None:
    sick = {"app-0": Health(unhealthy="Container app failed liveness probe, will be restarted", grace_s=3)}
    (stop,) = plan(pod(), picture(attempt("app"), health=sick)).actions
    assert isinstance(stop, Stop)
    assert (stop.message, stop.grace_s) == ("Container app failed liveness probe, will be restarted", 3.0)
    changed = pod()
    changed["spec"]["containers"][0]["image"] = "other"
    (stop,) = plan(changed, picture(attempt("app"))).actions
    assert isinstance(stop, Stop)
    assert stop.message == "Container app definition changed, will be restarted"


def test_old_attempts_are_discarded_but_the_last_two() -> None:
    old = [attempt("app", "exited", 1, number) for number in range(3)]
    actions = plan(pod(), picture(*old, attempt("app", number=3))).actions
    assert [action.attempt.number for action in actions if isinstance(action, Discard)] == [1, 0]


def test_back_off_doubles_to_its_bound_and_is_forgotten() -> None:
    first = raised(None, 0)
    assert first.delay_s == 10
    second = raised(first, 20)
    assert second.delay_s == 20
    assert raised(Backoff(160, 0), 10).delay_s == 300
    assert raised(Backoff(300, 0), 601).delay_s == 10
    assert [go_duration(seconds) for seconds in (10, 80, 300)] == ["10s", "1m20s", "5m0s"]


def test_thresholds_count_results_in_a_row() -> None:
    spec = {"readinessProbe": {"exec": {}, "successThreshold": 2, "failureThreshold": 2}}
    probe = probe_of(spec, "readiness")
    assert probe is not None
    verdicts = []
    tally = Tally(probe.starts_as)
    for is_success in (True, True, False, True, False, False):
        tally = counted(probe, tally, is_success=is_success)
        verdicts.append(tally.verdict)
    assert verdicts == [False, True, True, True, True, False]


def test_phase_follows_the_containers() -> None:
    value = pod(restartPolicy="Never")

    def phase(*attempts: Attempt, **changes: Any) -> str:
        return str(pod_status(value, picture(*attempts, **changes), ["192.0.2.1"])["phase"])

    assert phase() == "Pending"
    assert phase(attempt("app")) == "Running"
    assert phase(attempt("app", "exited", 0)) == "Succeeded"
    assert phase(attempt("app", "exited", 1)) == "Failed"
    value["spec"]["restartPolicy"] = "Always"
    assert phase(attempt("app", "exited", 1)) == "Running"


def test_readiness_gates_hold_the_pod_back() -> None:
    value = pod(readinessGates=[{"conditionType": "example.com/gate"}])
    value["status"] = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
    status = pod_status(value, picture(attempt("app")), ["192.0.2.1"])
    conditions = {entry["type"]: entry for entry in status["conditions"]}
    assert conditions["ContainersReady"]["status"] == "True"
    assert conditions["Ready"]["reason"] == "ReadinessGatesNotReady"
    assert conditions["PodScheduled"]["status"] == "True"


def test_settled_status_is_not_written_again() -> None:
    value = pod()
    seen = picture(attempt("app"))
    value["status"] = pod_status(value, seen, ["192.0.2.1"])
    assert status_patch(value["status"], pod_status(value, seen, ["192.0.2.1"])) == {}
    unready = pod_status(value, picture(attempt("app"), health={"app-0": Health(ready=False)}), ["192.0.2.1"])
    patch = status_patch(value["status"], unready)
    assert sorted(patch) == ["conditions", "containerStatuses"]
    assert sorted(entry["type"] for entry in patch["conditions"]) == ["ContainersReady", "Ready"]
