"""The columns of Pods: readiness, the one word of status, restarts.

Source: k8s.io/kubernetes/pkg/printers/internalversion, printPod.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from maru.core.document import Value
from maru.kinds.columns.cells import AGE_COLUMN, NAME, NONE, container_images, container_names, labels_text, since
from maru.kinds.strategy import Column

_NODE_LOST = "NodeLost"


def ready_text(pod: Value, _: datetime) -> str:
    """READY: ready containers over all that count (regular ones and sidecars)."""
    sidecars = _sidecars(pod)
    total = len(pod["spec"].get("containers") or []) + len(sidecars)
    status = pod.get("status") or {}
    begun, reason = _initializing(pod)
    ready = sum(1 for state in begun if state.get("name") in sidecars and state.get("started") and state.get("ready"))
    if reason is None or _is_initialized(status):
        ready += sum(
            1
            for state in status.get("containerStatuses") or []
            if state.get("ready") and (state.get("state") or {}).get("running") is not None
        )
    return f"{ready}/{total}"


def status_text(pod: Value, _: datetime) -> str:
    """STATUS: the most telling reason there is."""
    status = pod.get("status") or {}
    reason: str = status.get("reason") or status.get("phase") or ""
    if any(
        condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated"
        for condition in status.get("conditions") or []
    ):
        reason = "SchedulingGated"
    of_init = _initializing(pod)[1]
    if of_init is None or _is_initialized(status):
        reason = _running_reason(status, of_init or reason)
    else:
        reason = of_init
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == _NODE_LOST:
            return "Unknown"
        if status.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return reason


def restarts_text(pod: Value, now: datetime) -> str:
    """RESTARTS: how often, and how long ago the last time was."""
    status = pod.get("status") or {}
    sidecars = _sidecars(pod)
    counted, reason = _initializing(pod)
    if reason is None or _is_initialized(status):
        counted = [state for state in counted if state.get("name") in sidecars]
        counted = [*counted, *(status.get("containerStatuses") or [])]
    restarts = sum(state.get("restartCount", 0) for state in counted)
    finished = [
        stamp
        for state in counted
        if (stamp := ((state.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
    ]
    return f"{restarts} ({since(max(finished), now)} ago)" if restarts and finished else str(restarts)


def _sidecars(pod: Value) -> set[str]:
    return {
        container["name"]
        for container in pod["spec"].get("initContainers") or []
        if container.get("restartPolicy") == "Always"
    }


def _is_initialized(status: Value) -> bool:
    return any(
        condition["type"] == "Initialized" and condition["status"] == "True"
        for condition in status.get("conditions") or []
    )


def _initializing(pod: Value) -> tuple[Sequence[Value], str | None]:
    """The init containers up to the first that is not through, and what that one says; None when all are."""
    sidecars = _sidecars(pod)
    total = len(pod["spec"].get("initContainers") or [])
    states: list[Value] = (pod.get("status") or {}).get("initContainerStatuses") or []
    for index, container in enumerate(states):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended is not None and not ended.get("exitCode"):
            continue
        if container.get("name") in sidecars and container.get("started"):
            continue
        if ended is not None:
            return states[: index + 1], f"Init:{_ending(ended)}"
        if waiting is not None and waiting.get("reason") not in (None, "", "PodInitializing"):
            return states[: index + 1], f"Init:{waiting['reason']}"
        return states[: index + 1], f"Init:{index}/{total}"
    return states, None


def _ending(ended: Value) -> str:
    """Why a container ended: its reason, else the signal, else the code."""
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _running_reason(status: Value, reason: str) -> str:
    has_running = False
    for container in reversed(status.get("containerStatuses") or []):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting is not None and waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = _ending(ended)
        elif container.get("ready") and state.get("running") is not None:
            has_running = True
    if reason == "Completed" and has_running:
        is_ready = any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in status.get("conditions") or []
        )
        return "Running" if is_ready else "NotReady"
    return reason


def _ip(pod: Value, _: datetime) -> str:
    status = pod.get("status") or {}
    ips = status.get("podIPs") or []
    return str(ips[0]["ip"]) if ips else status.get("podIP") or NONE


def _readiness_gates(pod: Value, _: datetime) -> str:
    gates = pod["spec"].get("readinessGates") or []
    if not gates:
        return NONE
    states = {condition["type"]: condition["status"] for condition in (pod.get("status") or {}).get("conditions") or []}
    return f"{sum(1 for gate in gates if states.get(gate['conditionType']) == 'True')}/{len(gates)}"


POD_COLUMNS = (
    NAME,
    Column("Ready", ready_text),
    Column("Status", status_text),
    Column("Restarts", restarts_text),
    AGE_COLUMN,
    Column("IP", _ip, priority=1),
    Column("Node", lambda pod, _: pod["spec"].get("nodeName") or NONE, priority=1),
    Column("Nominated Node", lambda pod, _: (pod.get("status") or {}).get("nominatedNodeName") or NONE, priority=1),
    Column("Readiness Gates", _readiness_gates, priority=1),
)
POD_TEMPLATE_COLUMNS = (
    NAME,
    Column("Containers", lambda value, _: container_names((value.get("template") or {}).get("spec") or {})),
    Column("Images", lambda value, _: container_images((value.get("template") or {}).get("spec") or {})),
    Column(
        "Pod Labels", lambda value, _: labels_text(((value.get("template") or {}).get("metadata") or {}).get("labels"))
    ),
)
