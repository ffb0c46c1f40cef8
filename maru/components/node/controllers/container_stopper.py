"""Ending one attempt: the pre-stop hook, the stop signal, and SIGKILL when the grace is over.

Source: pkg/kubelet/kuberuntime, killContainer; Kubernetes documentation, "Container Lifecycle Hooks"
and "Termination of Pods" (the hook counts against the grace; at least 2 s are left for the signal).
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from maru.components.node.controllers.handlers import Target, run_handler
from maru.components.node.controllers.workshop import Workshop, within
from maru.components.node.model.plan import Stop
from maru.components.node.model.view import LABEL_STOP_SIGNAL, Container
from maru.contracts.runtime import ContainerState
from maru.core.document import Value
from maru.core.errors import NotFound

GRACE_MIN_S = 2.0
KILL_WAIT_S = 30.0


@dataclass(slots=True)
class StopOrder:
    """One stop under way. has_run_hook: it is not run again when the grace is cut short."""

    pod: Value
    container: Container | None
    stop: Stop
    ip: str
    deadline_s: float  # monotonic
    has_run_hook: bool = False
    is_announced: bool = False


async def stop_container(workshop: Workshop, order: StopOrder) -> None:
    """Return when the container has exited. May be cancelled and called again with a nearer deadline."""
    stop, runtime, clock = order.stop, workshop.runtime, workshop.clock
    container_id = stop.attempt.id
    if stop.attempt.state is ContainerState.CREATED:
        await runtime.remove(container_id)
        return
    if not order.is_announced:
        order.is_announced = True
        field_path = order.container.field_path if order.container is not None else ""
        workshop.recorder.event(order.pod, "Normal", "Killing", stop.message, field_path=field_path)
    try:
        await _run_hook(workshop, order)
        await runtime.kill(container_id, signal_number(order))
        left_s = max(order.deadline_s - clock.monotonic_s(), GRACE_MIN_S)
        try:
            await within(clock, runtime.wait(container_id), left_s)
        except TimeoutError:
            await runtime.kill(container_id, signal.SIGKILL, all_processes=True)
            await runtime.wait(container_id)
    except NotFound:
        return


async def _run_hook(workshop: Workshop, order: StopOrder) -> None:
    if order.container is None or order.has_run_hook:
        return
    order.has_run_hook = True
    hook = (order.container.spec.get("lifecycle") or {}).get("preStop")
    left_s = order.deadline_s - workshop.clock.monotonic_s()
    if not hook or left_s <= 0:
        return
    target = Target(order.pod, order.container, order.stop.attempt, order.ip)
    try:
        outcome = await within(workshop.clock, run_handler(workshop, target, hook, left_s), left_s)
    except TimeoutError:
        workshop.recorder.event(
            order.pod,
            "Warning",
            "FailedPreStopHook",
            "PreStopHook not completed in grace period",
            field_path=order.container.field_path,
        )
        return
    if not outcome.is_success:
        workshop.recorder.event(
            order.pod,
            "Warning",
            "FailedPreStopHook",
            f"PreStopHook failed: {outcome.output}",
            field_path=order.container.field_path,
        )


def signal_number(order: StopOrder) -> int:
    """The Pod's stopSignal, or the image's, or SIGTERM."""
    name = ""
    if order.container is not None:
        name = (order.container.spec.get("lifecycle") or {}).get("stopSignal") or ""
    name = name or order.stop.attempt.labels.get(LABEL_STOP_SIGNAL, "")
    if name.isdigit():
        return int(name)
    upper = name.upper().removeprefix("SIG")
    if upper.startswith("RTMIN+"):
        return int(signal.SIGRTMIN) + int(upper.removeprefix("RTMIN+"))
    if upper.startswith("RTMAX-"):
        return int(signal.SIGRTMAX) - int(upper.removeprefix("RTMAX-"))
    try:
        return int(signal.Signals[f"SIG{upper}"])
    except KeyError:
        return int(signal.SIGTERM)
