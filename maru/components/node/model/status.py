"""A Pod's status from what is there: phase, conditions, container states, addresses.

Source: pkg/kubelet, getPhase, generateAPIPodStatus; pkg/kubelet/status, GeneratePodReadyCondition,
GeneratePodInitializedCondition; Kubernetes documentation, Pod Lifecycle.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.node.model.moments import moment_of
from maru.components.node.model.plan import has_initialized
from maru.components.node.model.resizing import IN_PROGRESS, PENDING, plain
from maru.components.node.model.resources import qos_class
from maru.components.node.model.restart import should_restart
from maru.components.node.model.view import Attempt, Container, Kind, Picture, containers_of
from maru.core.clock import rfc3339
from maru.core.document import Value

_FINISHED_PHASES = ("Succeeded", "Failed")
TARGET = "DisruptionTarget"
_OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", PENDING, IN_PROGRESS)


def pod_status(pod: Value, picture: Picture, host_ips: Sequence[str]) -> Value:
    """The whole status the node stands for; conditions of others are left as they are in `pod`."""
    old = pod.get("status") or {}
    containers = containers_of(pod)
    entries = {container.name: _container_status(pod, picture, container, old) for container in containers}
    phase = _phase(pod, picture, old, entries)
    if phase in _FINISHED_PHASES:
        for container in containers:
            _settle(entries[container.name])
    status: Value = {
        "phase": phase,
        "conditions": _conditions(pod, picture, phase, entries),
        "qosClass": old.get("qosClass") or qos_class(pod),
        "startTime": old.get("startTime") or rfc3339(picture.now),
    }
    generation = pod["metadata"].get("generation")
    if generation:
        status["observedGeneration"] = generation
    if host_ips:
        status["hostIP"] = host_ips[0]
        status["hostIPs"] = [{"ip": ip} for ip in host_ips]
    ips = picture.ips or [entry["ip"] for entry in old.get("podIPs") or ()]
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]
    groups = {"initContainerStatuses": (Kind.INIT, Kind.SIDECAR), "containerStatuses": (Kind.REGULAR,)}
    groups["ephemeralContainerStatuses"] = (Kind.EPHEMERAL,)
    for field, kinds in groups.items():
        chosen = [entries[container.name] for container in containers if container.kind in kinds]
        if chosen:
            status[field] = chosen
    if picture.ending is not None and picture.ending.is_failed:
        status["reason"], status["message"] = picture.ending.reason, picture.ending.message
    elif old.get("reason") and old.get("phase") in _FINISHED_PHASES:
        status["reason"], status["message"] = old["reason"], old.get("message", "")
    return status


def refused_status(pod: Value, reason: str, message: str, now: str) -> Value:
    """The status of a Pod that the node does not take."""
    return {"phase": "Failed", "reason": reason, "message": message, "startTime": now, "qosClass": qos_class(pod)}


def _container_status(pod: Value, picture: Picture, container: Container, old: Value) -> Value:
    before = _old_entry(old, container)
    attempts = picture.attempts.get(container.name, ())
    newest = attempts[0] if attempts else None
    entry: Value = {
        "name": container.name,
        "image": (newest.image_name or newest.image) if newest else container.spec.get("image", ""),
        "imageID": newest.image_id if newest else "",
        "restartCount": newest.number if newest else before.get("restartCount", 0),
        "ready": False,
        "started": False,
        "state": {},
        "lastState": {},
    }
    waiting = picture.waiting.get(container.name)
    if newest is None and before.get("state", {}).get("terminated") and (old.get("phase") in _FINISHED_PHASES):
        return before
    held = newest is None or (newest.is_exited and _restarts(pod, picture, container, newest))
    if newest is not None:
        if not newest.id.startswith("-"):
            entry["containerID"] = f"maru://{newest.id}"
        _put_state(entry, picture, container, newest, attempts[1] if len(attempts) > 1 else None)
    elif before.get("lastState"):
        entry["lastState"] = before["lastState"]
    if newest is None and before.get("containerID"):
        entry["image"], entry["imageID"] = before.get("image", ""), before.get("imageID", "")
        entry["containerID"] = before["containerID"]
        if before.get("state", {}).get("terminated"):
            entry["lastState"] = {"terminated": before["state"]["terminated"]}
    if held:
        if newest is not None and waiting is not None:
            entry["lastState"] = entry["state"]
        if waiting is not None:
            entry["state"] = {"waiting": {"reason": waiting.reason, "message": waiting.message}}
        elif newest is None:
            is_past_init = has_initialized(pod, picture) or container.kind in (Kind.INIT, Kind.SIDECAR)
            has_inits = bool(pod["spec"].get("initContainers"))
            reason = (
                "PodInitializing" if has_inits and (picture.sandbox_id or not is_past_init) else "ContainerCreating"
            )
            entry["state"] = {"waiting": {"reason": reason}}
    _put_resources(entry, picture, container, newest)
    return entry


def _old_entry(old: Value, container: Container) -> Value:
    field = {Kind.REGULAR: "containerStatuses", Kind.EPHEMERAL: "ephemeralContainerStatuses"}.get(
        container.kind, "initContainerStatuses"
    )
    for entry in old.get(field) or ():
        if entry["name"] == container.name:
            found: Value = entry
            return found
    return {}


def _restarts(pod: Value, picture: Picture, container: Container, attempt: Attempt) -> bool:
    return picture.ending is None and should_restart(pod, container, attempt)


def _put_state(entry: Value, picture: Picture, container: Container, newest: Attempt, previous: Attempt | None) -> None:
    if newest.is_running:
        entry["state"] = {"running": {"startedAt": _seconds(newest.started_at)}}
        health = picture.health[newest.id]
        entry["started"] = health.started
        entry["ready"] = health.started and health.ready and container.kind is not Kind.INIT
        if container.kind is Kind.INIT:
            entry["started"] = True
    elif newest.is_exited:
        entry["state"] = {"terminated": _terminated(newest)}
        if container.kind is Kind.INIT and newest.exit_code == 0:
            entry["ready"] = True
    else:
        entry["state"] = {"waiting": {"reason": "ContainerCreating"}}
    if previous is not None and previous.is_exited:
        entry["lastState"] = {"terminated": _terminated(previous)}


def _terminated(attempt: Attempt) -> Value:
    state: Value = {"exitCode": attempt.exit_code if attempt.exit_code is not None else 137, "reason": attempt.reason}
    if attempt.message:
        state["message"] = attempt.message
    state["startedAt"] = _seconds(attempt.started_at)
    state["finishedAt"] = _seconds(attempt.finished_at)
    if not attempt.id.startswith("-"):
        state["containerID"] = f"maru://{attempt.id}"
    if not attempt.started_at:
        state["startedAt"] = "1970-01-01T00:00:00Z"
    return state


def _seconds(stamp: str) -> str | None:
    """RFC 3339 with nanoseconds, cut to whole seconds as metav1.Time is written."""
    moment = moment_of(stamp)
    return None if moment is None else rfc3339(moment)


def _put_resources(entry: Value, picture: Picture, container: Container, newest: Attempt | None) -> None:
    if container.kind is Kind.EPHEMERAL:
        return
    allotted = picture.allotted.get(container.name, plain(container.spec.get("resources")))
    actual = allotted
    if newest is not None and newest.is_running:
        actual = picture.actual.get(newest.id, allotted)
    if actual:
        entry["resources"] = actual
    if allotted.get("requests"):
        entry["allocatedResources"] = allotted["requests"]


def _settle(entry: Value) -> None:
    """In a Pod that is over, a container that never ran, or whose end was not seen, counts as terminated."""
    state = entry["state"]
    if "terminated" in state:
        return
    last = entry.get("lastState", {}).get("terminated")
    if last is not None:
        entry["state"], entry["lastState"] = {"terminated": last}, {}


def _phase(pod: Value, picture: Picture, old: Value, entries: dict[str, Value]) -> str:
    if old.get("phase") in _FINISHED_PHASES:
        return str(old["phase"])
    if picture.ending is not None and picture.ending.is_failed:
        return "Failed" if not _anything_runs(picture) else str(old.get("phase") or "Pending")
    containers = containers_of(pod)
    regular = [container for container in containers if container.kind is Kind.REGULAR]
    is_deleting = bool(pod["metadata"].get("deletionTimestamp"))
    for container in containers:
        attempt = picture.newest(container.name)
        if container.kind is not Kind.INIT or attempt is None or not attempt.is_exited or attempt.exit_code == 0:
            continue
        if not should_restart(pod, container, attempt) and not has_initialized(pod, picture):
            return "Failed" if not _anything_runs(picture) else "Pending"
    if not has_initialized(pod, picture):
        return "Failed" if is_deleting and _ended_on_deletion(picture) else "Pending"
    return _regular_phase(pod, picture, regular, is_deleting=is_deleting)


def _ended_on_deletion(picture: Picture) -> bool:
    return picture.ending is not None and bool(picture.attempts) and not _anything_runs(picture)


def _regular_phase(pod: Value, picture: Picture, regular: Sequence[Container], *, is_deleting: bool) -> str:
    newest = [picture.newest(container.name) for container in regular]
    if any(attempt is None or not (attempt.is_running or attempt.is_exited) for attempt in newest):
        if is_deleting and _ended_on_deletion(picture):
            return "Failed"
        started = any(attempt is not None for attempt in newest)
        return "Running" if started and all(attempt is not None for attempt in newest) else "Pending"
    present = [attempt for attempt in newest if attempt is not None]
    if any(attempt.is_running for attempt in present):
        return "Running"
    wants_restart = picture.ending is None and any(
        should_restart(pod, container, attempt) for container, attempt in zip(regular, present, strict=True)
    )
    if wants_restart or _anything_runs(picture):
        return "Running"
    return "Succeeded" if all(attempt.exit_code == 0 for attempt in present) else "Failed"


def _anything_runs(picture: Picture) -> bool:
    return any(not attempt.is_exited for attempts in picture.attempts.values() for attempt in attempts)


def _conditions(pod: Value, picture: Picture, phase: str, entries: dict[str, Value]) -> list[Value]:
    old = {entry["type"]: entry for entry in (pod.get("status") or {}).get("conditions") or ()}
    containers = containers_of(pod)
    names = [container.name for container in containers if container.kind in (Kind.REGULAR, Kind.SIDECAR)]
    unready = [name for name in names if not entries[name].get("ready")]
    reason = message = ""
    if phase in _FINISHED_PHASES:
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    elif unready:
        reason, message = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    gates_reason, gates_message = reason, message
    if not reason:
        missing = [
            gate["conditionType"]
            for gate in pod["spec"].get("readinessGates") or ()
            if old.get(gate["conditionType"], {}).get("status") != "True"
        ]
        if missing:
            gates_reason = "ReadinessGatesNotReady"
            gates_message = ", ".join(_gate_words(name, old.get(name)) for name in missing)
    inits = [container for container in containers if container.kind in (Kind.INIT, Kind.SIDECAR)]
    is_initialized = phase == "Succeeded" or has_initialized(pod, picture)
    init_reason = init_message = ""
    if not is_initialized:
        left = [c.name for c in inits if not _is_init_done(c, entries[c.name])]
        init_reason, init_message = "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(left)}]"
    elif phase == "Succeeded":
        init_reason = "PodCompleted"
    wanted = [
        ("PodReadyToStartContainers", bool(picture.sandbox_id), "", ""),
        ("Initialized", is_initialized, init_reason, init_message),
        ("Ready", not gates_reason, gates_reason, gates_message),
        ("ContainersReady", not reason, reason, message),
    ]
    generation = pod["metadata"].get("generation")
    conditions = [
        _condition(old.get(kind), picture, kind, (status, why, text), generation) for kind, status, why, text in wanted
    ]
    if picture.ending is not None and picture.ending.is_evicted:
        wanted_target = (True, "TerminationByKubelet", picture.ending.message)
        conditions.append(_condition(old.get(TARGET), picture, TARGET, wanted_target, generation))
    conditions += _resize_conditions(picture, old, generation)
    have = {entry["type"] for entry in conditions}
    conditions += [entry for kind, entry in old.items() if kind not in have and kind not in _OWN_CONDITIONS]
    return conditions


def _resize_conditions(picture: Picture, old: Value, generation: int | None) -> list[Value]:
    resize, found = picture.resize, []
    if resize.pending:
        found.append((PENDING, True, resize.pending, resize.message))
    if resize.is_under_way:
        found.append((IN_PROGRESS, True, "Error" if resize.error else "", resize.error))
    return [
        _condition(old.get(kind), picture, kind, (status, why, text), generation) for kind, status, why, text in found
    ]


def _gate_words(name: str, condition: Value | None) -> str:
    if condition is None:
        return f'corresponding condition of pod readiness gate "{name}" does not exist.'
    return f'the status of pod readiness gate "{name}" is not "True", but {condition["status"]}'


def _is_init_done(container: Container, entry: Value) -> bool:
    if container.kind is Kind.SIDECAR:
        return bool(entry.get("started"))
    return bool(entry.get("ready"))


def _condition(
    old: Value | None, picture: Picture, kind: str, wanted: tuple[bool, str, str], generation: int | None
) -> Value:
    is_true, reason, message = wanted
    status = "True" if is_true else "False"
    changed = rfc3339(picture.now)
    if old is not None and old["status"] == status and old.get("lastTransitionTime"):
        changed = old["lastTransitionTime"]
    condition: Value = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": changed}
    if generation:
        condition["observedGeneration"] = generation
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition
