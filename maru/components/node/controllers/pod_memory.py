"""What a Pod's worker remembers between two looks, and the picture it makes of it.

All but the sandbox's file and the runtime's containers is lost when Maru restarts, and can be: back-off
starts again, as it does when a kubelet restarts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from maru.components.node.controllers.prober import Prober
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.pod_folder import Sandbox
from maru.components.node.engine.volume_setup import Place
from maru.components.node.model.backoff import Backoff, go_duration
from maru.components.node.model.moments import moment_of
from maru.components.node.model.resizing import Pending, with_allotment
from maru.components.node.model.resources import GroupFigures
from maru.components.node.model.restart import should_restart
from maru.components.node.model.view import (
    LABEL_POD_UID,
    Attempt,
    Ending,
    Health,
    Kind,
    Picture,
    Resize,
    Waiting,
    attempt_of,
    containers_of,
)
from maru.contracts.runtime import ContainerState
from maru.core.document import Value

REASON_CRASH = "CrashLoopBackOff"


@dataclass(slots=True)
class PodMemory:
    """pod: the newest document, never changed in place. is_gone: the API no longer has it.

    ghosts: attempts whose command could not be started, so that the runtime knows nothing of them.
    messages: last words by container id. announced: attempts whose back-off was told in an Event.
    hooked: running containers whose post-start hook has not ended: they count as not started.
    allotted: resources by container name as the node agreed to them; actual: by container id as the kernel was
    told; figures: those of the Pod's control group; pending, is_resizing, resize_error: a change under way.
    """

    pod: Value
    is_gone: bool = False
    sandbox: Sandbox | None = None
    sandbox_retry_at_s: float = 0.0
    sandbox_failures: int = 0
    volumes: Mapping[str, Place] | None = None
    waiting: dict[str, Waiting] = field(default_factory=dict)
    crashes: dict[str, Backoff] = field(default_factory=dict)
    ghosts: list[Attempt] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)
    allotted: Mapping[str, Value] | None = None
    actual: dict[str, Value] = field(default_factory=dict)
    figures: GroupFigures | None = None
    pending: Pending | None = None
    is_resizing: bool = False
    resize_error: str = ""
    hooked: set[str] = field(default_factory=set)
    ending: Ending | None = None

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def allotted_pod(self) -> Value:
        """The Pod with the resources that the node agreed to."""
        return self.pod if self.allotted is None else with_allotment(self.pod, self.allotted)

    def attempts(self, workshop: Workshop) -> dict[str, list[Attempt]]:
        """By container name, newest first."""
        found = [
            attempt_of(status, self.messages.get(status.id, ""))
            for status in workshop.runtime.list(owner="pods")
            if status.labels.get(LABEL_POD_UID) == self.uid
        ]
        by_name: dict[str, list[Attempt]] = {}
        for attempt in sorted([*found, *self.ghosts], key=lambda attempt: attempt.number, reverse=True):
            by_name.setdefault(attempt.name, []).append(attempt)
        return by_name


def picture_of(
    memory: PodMemory, workshop: Workshop, prober: Prober, stopping: frozenset[str], *, is_busy: bool
) -> Picture:
    """What is there now. Containers in back-off get their reason and the time it ends."""
    now, now_s = workshop.clock.now(), workshop.clock.monotonic_s()
    attempts = memory.attempts(workshop)
    running = [attempt.id for listed in attempts.values() for attempt in listed if attempt.is_running]
    health = {**dict.fromkeys(running, Health()), **prober.health()}
    health |= dict.fromkeys(memory.hooked, Health(started=False, ready=False))
    waiting = {name: entry for name, entry in memory.waiting.items() if entry.reason != REASON_CRASH}
    sandbox_id = memory.sandbox.id if memory.sandbox is not None else ""
    for container in containers_of(memory.pod):
        listed = attempts.get(container.name)
        held = waiting.get(container.name)
        if not listed or listed[0].sandbox_id != sandbox_id or (held is not None and held.retry_at_s > now_s):
            continue
        newest, backoff = listed[0], memory.crashes.get(container.name)
        if backoff is None or not newest.is_exited or not should_restart(memory.pod, container, newest):
            continue
        ended = moment_of(newest.finished_at)
        ended_s = now_s - (now - ended).total_seconds() if ended is not None else now_s
        if backoff.until_s(ended_s) > now_s:
            words = f"back-off {go_duration(backoff.delay_s)} restarting failed container={container.name}"
            message = f"{words} pod={_full_name(memory.pod)}"
            waiting[container.name] = Waiting(REASON_CRASH, message, backoff.until_s(ended_s))
    return Picture(
        now=now,
        now_s=now_s,
        sandbox_id=sandbox_id,
        ips=memory.sandbox.ips if memory.sandbox is not None else (),
        attempts=attempts,
        health=health,
        waiting=waiting,
        sandbox_retry_at_s=memory.sandbox_retry_at_s,
        is_busy=is_busy,
        stopping=stopping,
        ending=memory.ending,
        allotted=memory.allotted or {},
        actual=memory.actual,
        resize=Resize(
            memory.pending.reason if memory.pending is not None else "",
            memory.pending.message if memory.pending is not None else "",
            memory.is_resizing,
            memory.resize_error,
        ),
    )


def ghost_of(memory: PodMemory, container_name: str, number: int, now: str, message: str) -> Attempt:
    """The attempt that ended before it ran, as the runtime would have told it. Its id is not one."""
    assert memory.sandbox is not None
    spec = next(entry for entry in containers_of(memory.pod) if entry.name == container_name)
    return Attempt(
        id=f"-{container_name}-{number}",
        name=container_name,
        number=number,
        sandbox_id=memory.sandbox.id,
        state=ContainerState.EXITED,
        finished_at=now,
        exit_code=128,
        reason="StartError",
        message=message,
        image=spec.spec.get("image", ""),
    )


def target_ip(memory: PodMemory) -> str:
    """Where probes and hooks reach the Pod."""
    return memory.sandbox.ips[0] if memory.sandbox is not None and memory.sandbox.ips else "127.0.0.1"


def old_entry(pod: Value, kind: Kind, name: str) -> Value:
    """What the API's status says of a container; empty if nothing."""
    field_name = "containerStatuses" if kind is Kind.REGULAR else "initContainerStatuses"
    for entry in (pod.get("status") or {}).get(field_name) or ():
        if entry["name"] == name:
            found: Value = entry
            return found
    return {}


def _full_name(pod: Value) -> str:
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
