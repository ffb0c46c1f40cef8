"""What to do next for one Pod, decided from its document and the picture of what is there.

`plan` is pure; the Pod's worker carries the actions out and asks again when something has changed.
Source: pkg/kubelet/kuberuntime, computePodActions and computeInitContainerActions; Kubernetes
documentation, "Sidecar containers" and "Termination of Pods".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.node.model.restart import should_restart
from maru.components.node.model.view import Attempt, Container, Kind, Picture, containers_of
from maru.contracts.runtime import ContainerState
from maru.core.document import Value


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    """Mount volumes, make the namespaces and the network."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start these containers, one after another; number is the attempt's."""

    container: Container
    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End a running attempt: hook, signal, and the kill when `grace_s` are over."""

    attempt: Attempt
    message: str
    grace_s: float
    is_forced: bool = False  # the grace is the caller's, not the container's


@dataclass(frozen=True, slots=True)
class Discard:
    """Take an attempt that never ran, or is no longer needed, out of the runtime."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Teardown:
    """Nothing runs any more: network, namespaces and volumes go."""


@dataclass(frozen=True, slots=True)
class End:
    """Everything has run to its end: the Pod is over, what still runs is stopped."""


Action = MakeSandbox | Start | Stop | Discard | Teardown | End


@dataclass(frozen=True, slots=True)
class Plan:
    """actions: in order. wake_at_s: monotonic, when to plan again though nothing has changed."""

    actions: Sequence[Action] = ()
    wake_at_s: float | None = None


def plan(pod: Value, picture: Picture) -> Plan:
    """The next actions for a Pod that is wanted, or that is ending."""
    if picture.ending is not None:
        return _plan_ending(pod, picture)
    stale = [
        attempt
        for attempts in picture.attempts.values()
        for attempt in attempts
        if attempt.is_running and attempt.sandbox_id != picture.sandbox_id and attempt.id not in picture.stopping
    ]
    if stale:
        return Plan([Stop(attempt, "Pod sandbox changed, it will be killed and re-created.", 2) for attempt in stale])
    if not picture.sandbox_id:
        if picture.is_busy or any(a.is_running for listed in picture.attempts.values() for a in listed):
            return Plan()
        if picture.sandbox_retry_at_s > picture.now_s:
            return Plan(wake_at_s=picture.sandbox_retry_at_s)
        return Plan([MakeSandbox()])
    stops = _unwanted(pod, picture)
    starts, wake_at_s, is_over = _starts(pod, picture)
    if is_over:
        return Plan([End()])
    discards = _discards(picture)
    if picture.is_busy:
        return Plan([*stops, *discards], wake_at_s)
    return Plan([*stops, *discards, *starts], wake_at_s)


def has_initialized(pod: Value, picture: Picture) -> bool:
    """True once the init containers are done: all have succeeded, or a regular container has started since."""
    if any(
        picture.newest(container.name) is not None for container in containers_of(pod) if container.kind is Kind.REGULAR
    ):
        return True
    return all(
        _is_past(picture, container) for container in containers_of(pod) if container.kind in (Kind.INIT, Kind.SIDECAR)
    )


def is_over(pod: Value, picture: Picture) -> bool:
    """True when no container will run again: an init failed for good, or all regular ones have ended."""
    regular = [container for container in containers_of(pod) if container.kind is Kind.REGULAR]
    for container in containers_of(pod):
        attempt = picture.newest(container.name)
        is_failed_init = (
            container.kind is Kind.INIT
            and attempt is not None
            and attempt.is_exited
            and attempt.exit_code != 0
            and not should_restart(pod, container, attempt)
        )
        if is_failed_init and not any(picture.newest(other.name) for other in regular):
            return True
    return bool(regular) and all(_has_ended(pod, picture, container) for container in regular)


def _has_ended(pod: Value, picture: Picture, container: Container) -> bool:
    attempt = picture.newest(container.name)
    return attempt is not None and attempt.is_exited and not should_restart(pod, container, attempt)


def _is_past(picture: Picture, container: Container) -> bool:
    attempt = picture.newest(container.name)
    if attempt is None:
        return False
    if container.kind is Kind.SIDECAR:
        return attempt.is_running and picture.health[attempt.id].started
    return attempt.is_exited and attempt.exit_code == 0


def _unwanted(pod: Value, picture: Picture) -> list[Stop]:
    stops = []
    for container in containers_of(pod):
        attempt = picture.newest(container.name)
        if attempt is None or not attempt.is_running or attempt.id in picture.stopping:
            continue
        grace_s = float(pod["spec"].get("terminationGracePeriodSeconds", 30))
        health = picture.health[attempt.id]
        if attempt.image and attempt.image != container.spec.get("image") and container.kind is not Kind.EPHEMERAL:
            stops.append(Stop(attempt, f"Container {container.name} definition changed, will be restarted", grace_s))
        elif health.unhealthy:
            probe_grace_s = grace_s if health.grace_s is None else float(health.grace_s)
            stops.append(Stop(attempt, health.unhealthy, probe_grace_s))
    return stops


def _starts(pod: Value, picture: Picture) -> tuple[list[Start], float | None, bool]:
    """The containers to start now, when one that is held back may, and whether all is over."""
    if is_over(pod, picture):
        return [], None, True
    containers = containers_of(pod)
    candidates: list[Container] = [container for container in containers if container.kind is Kind.EPHEMERAL]
    if has_initialized(pod, picture):
        candidates = [c for c in containers if c.kind in (Kind.SIDECAR, Kind.REGULAR)] + candidates
    else:
        candidates = _init_candidates(picture, containers) + candidates
    starts = []
    wakes = []
    for container in candidates:
        attempt = picture.newest(container.name)
        if attempt is not None and (not attempt.is_exited or not should_restart(pod, container, attempt)):
            continue
        waiting = picture.waiting.get(container.name)
        if waiting is not None and waiting.retry_at_s > picture.now_s:
            wakes.append(waiting.retry_at_s)
            continue
        starts.append(Start(container, _next_number(pod, picture, container)))
    return starts, min(wakes, default=None), False


def _init_candidates(picture: Picture, containers: Sequence[Container]) -> list[Container]:
    """Those init containers that may start: every sidecar before the first that is not past, and that one."""
    candidates = []
    for container in containers:
        if container.kind not in (Kind.INIT, Kind.SIDECAR):
            continue
        if container.kind is Kind.SIDECAR:
            candidates.append(container)
        if not _is_past(picture, container):
            if container.kind is Kind.INIT:
                candidates.append(container)
            break
    return candidates


def _next_number(pod: Value, picture: Picture, container: Container) -> int:
    known = picture.attempts.get(container.name, ())
    if known:
        return max(attempt.number for attempt in known) + 1
    status = pod.get("status") or {}
    for entry in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        if entry["name"] == container.name and entry.get("containerID"):
            return int(entry.get("restartCount", 0)) + 1
    return 0


def _discards(picture: Picture) -> list[Discard]:
    """Attempts that were made but never started, and exited ones older than the last two."""
    discards = []
    for attempts in picture.attempts.values():
        for place, attempt in enumerate(attempts):
            is_unstarted = attempt.state is ContainerState.CREATED and not picture.is_busy
            if is_unstarted or (attempt.is_exited and place > 1):
                discards.append(Discard(attempt))
    return discards


def _plan_ending(pod: Value, picture: Picture) -> Plan:
    assert picture.ending is not None
    kinds = {container.name: (place, container.kind) for place, container in enumerate(containers_of(pod))}
    alive = [
        attempt
        for attempts in picture.attempts.values()
        for attempt in attempts
        if attempt.state is not ContainerState.EXITED
    ]
    if not alive:
        return Plan() if picture.is_busy or picture.stopping else Plan([Teardown()])
    grace_s = max(0.0, picture.ending.deadline_s - picture.now_s)
    sidecars = [attempt for attempt in alive if kinds.get(attempt.name, (0, Kind.REGULAR))[1] is Kind.SIDECAR]
    others = [attempt for attempt in alive if attempt not in sidecars]
    if others:
        now = others
    else:
        now = [max(sidecars, key=lambda attempt: kinds[attempt.name][0])]
    if grace_s == 0:
        now = alive
    stops = [
        Stop(attempt, f"Stopping container {attempt.name}", grace_s, is_forced=True)
        for attempt in now
        if attempt.id not in picture.stopping
    ]
    return Plan(stops, picture.ending.deadline_s if sidecars and others and grace_s else None)
