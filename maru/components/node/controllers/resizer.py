"""Brings a running Pod to what its specification asks for: agreed to first, then told to the kernel.

Growing begins with the Pod's control group and shrinking ends with it, so no container ever has more than
its Pod. Source: pkg/kubelet/allocation (canResizePod), pkg/kubelet/kuberuntime (doPodResizeAction).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from maru.components.node.controllers.pod_memory import PodMemory
from maru.components.node.controllers.sandbox_maker import pod_cgroup
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.pod_limits import limit_pod_blocking
from maru.components.node.model.resizing import allotted_before, needs_restart, obstacle, told, wanted_by
from maru.components.node.model.resources import GroupFigures, group_figures, memory_bytes, oci_resources, widest
from maru.components.node.model.view import LABEL_RESOURCES, Attempt, Container, Kind, Picture, containers_of
from maru.core.document import Value
from maru.core.errors import MaruError

RETRY_S = 10.0
Change = tuple[Container, Attempt, Value, Value]
"""A running container, and its resources as they are and as they are to be."""

Neighbours = Callable[[str], Sequence[Value]]
"""The other Pods of the node, as they were allotted; not the one of this uid."""


class Resizer:
    """Of one Pod. What it finds is written down in the memory."""

    def __init__(self, workshop: Workshop, memory: PodMemory, neighbours: Neighbours, wake: Callable[[], None]) -> None:
        self._workshop = workshop
        self._memory = memory
        self._neighbours = neighbours
        self._wake = wake
        self._told: tuple[object, ...] = ()
        self._retry_at_s = 0.0
        self._is_acting = False

    def decide(self) -> float | None:
        """Agree to what is asked for, or say why not; when to look again. Monotonic."""
        memory, pod = self._memory, self._memory.pod
        if memory.allotted is None:
            memory.allotted = allotted_before(pod)
        wanted = wanted_by(pod)
        memory.pending = None
        if wanted == memory.allotted:
            return None
        now_s = self._workshop.clock.monotonic_s()
        memory.pending = obstacle(pod, memory.allotted, self._neighbours(memory.uid), self._workshop.machine)
        if memory.pending is not None:
            reason = memory.pending.reason
            words = told(f"Pod resize {reason}", pod, wanted, memory.pending.message)
            self._tell("Warning", f"Resize{reason}", words, memory.pending)
            return now_s + RETRY_S if reason == "Deferred" else None
        memory.allotted = wanted
        if memory.sandbox is not None:
            memory.is_resizing, memory.resize_error = True, ""
            self._tell("Normal", "ResizeStarted", told("Pod resize started", pod, wanted), wanted)
        return None

    def outdated(self, attempts: Mapping[str, Sequence[Attempt]]) -> dict[str, str]:
        """Running containers that are restarted to get what was allotted: id to what people read."""
        found = {}
        for container, attempt, old, new in self._differing(attempts):
            if needs_restart(container.spec, old, new):
                found[attempt.id] = f"Container {container.name} resize requires restart"
        return found

    def act(self, group: asyncio.TaskGroup, picture: Picture) -> float | None:
        """Tell the kernel what was allotted; when to look again. Monotonic."""
        memory, now_s = self._memory, self._workshop.clock.monotonic_s()
        if self._is_acting:
            return None
        differing = list(self._differing(picture.attempts))
        softly = [entry for entry in differing if not needs_restart(entry[0].spec, entry[2], entry[3])]
        if softly and self._retry_at_s > now_s:
            return self._retry_at_s
        if softly or (memory.is_resizing and not differing and not memory.resize_error):
            self._is_acting = True
            group.create_task(self._carry_out(softly, is_last=len(softly) == len(differing)), name="resize")
        return None

    def actual(self, attempt: Attempt) -> Value:
        """What the kernel was last told of a container."""
        memory = self._memory
        if attempt.id in memory.actual:
            return memory.actual[attempt.id]
        status = memory.pod.get("status") or {}
        for entry in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
            if entry.get("containerID") == f"maru://{attempt.id}" and entry.get("resources"):
                found: Value = entry["resources"]
                return found
        label = attempt.labels.get(LABEL_RESOURCES, "")
        made: Value = msgspec.json.decode(label) if label.startswith("{") else {}
        return made

    def _differing(self, attempts: Mapping[str, Sequence[Attempt]]) -> Sequence[Change]:
        allotted, found = self._memory.allotted or {}, []
        for container in containers_of(self._memory.pod):
            listed = attempts.get(container.name)
            if container.kind not in (Kind.REGULAR, Kind.SIDECAR) or not listed or not listed[0].is_running:
                continue
            attempt = listed[0]
            actual = self._memory.actual.setdefault(attempt.id, self.actual(attempt))
            if actual != allotted.get(container.name, actual):
                found.append((container, attempt, actual, allotted[container.name]))
        return found

    async def _carry_out(self, changes: Sequence[Change], *, is_last: bool) -> None:
        memory, workshop = self._memory, self._workshop
        group, figures = pod_cgroup(workshop, memory.pod), group_figures(memory.allotted_pod)
        before = memory.figures or figures
        try:
            await self._limit(group, widest(before, figures))
            for container, attempt, old, new in changes:
                self._check_shrinking(container, attempt, old, new)
                await workshop.runtime.update_resources(attempt.id, oci_resources({"resources": new}))
                memory.actual[attempt.id] = new
            if is_last:
                await self._limit(group, figures)
                memory.figures = figures
                self._done()
        except (MaruError, OSError) as error:
            memory.resize_error = str(error)
            self._retry_at_s = workshop.clock.monotonic_s() + RETRY_S
            words = told("Pod resize error", memory.pod, memory.allotted or {}, str(error))
            self._tell("Warning", "ResizeError", words, str(error))
        finally:
            self._is_acting = False
            self._wake()

    def _done(self) -> None:
        memory = self._memory
        if memory.is_resizing:
            memory.is_resizing, memory.resize_error = False, ""
            self._tell("Normal", "ResizeCompleted", told("Pod resize completed", memory.pod, memory.allotted or {}), ())

    def _check_shrinking(self, container: Container, attempt: Attempt, old: Value, new: Value) -> None:
        limit, before = memory_bytes(new.get("limits")), memory_bytes(old.get("limits"))
        usage = self._workshop.runtime.usage(attempt.id)
        if limit and (not before or limit < before) and usage is not None and usage.memory_working_set_bytes > limit:
            used = usage.memory_working_set_bytes
            words = (
                f"attempting to set container {container.name!r} memory limit ({limit}) below current usage ({used})"
            )
            raise OSError(f"cannot decrease memory limits: {words}")

    async def _limit(self, group: str, figures: GroupFigures) -> None:
        await asyncio.to_thread(limit_pod_blocking, group, figures)

    def _tell(self, kind: str, reason: str, message: str, about: object) -> None:
        if self._told != (reason, about, self._memory.pod["metadata"].get("generation")):
            self._told = (reason, about, self._memory.pod["metadata"].get("generation"))
            self._workshop.recorder.event(self._memory.pod, kind, reason, message)
