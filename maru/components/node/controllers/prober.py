"""The probes of one Pod's running containers, and what they say of each.

Startup comes first and alone; when it has succeeded, liveness and readiness run side by side. What a
container was before Maru restarted is believed until its probes have spoken.
Source: pkg/kubelet/prober, worker.go and prober_manager.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from maru.components.node.controllers.handlers import Target, run_handler
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.model.moments import moment_of
from maru.components.node.model.probing import LIVENESS, READINESS, STARTUP, Probe, Tally, counted, probe_of
from maru.components.node.model.view import Health, Kind

_TITLES = {LIVENESS: "Liveness", READINESS: "Readiness", STARTUP: "Startup"}


class Prober:
    """Health by container id. `changed` is called when a verdict is another one."""

    def __init__(self, workshop: Workshop, group: asyncio.TaskGroup, changed: Callable[[], None]) -> None:
        self._workshop = workshop
        self._group = group
        self._changed = changed
        self._health: dict[str, Health] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def health(self) -> Mapping[str, Health]:
        """Of every container that is watched."""
        return self._health

    def watch(self, target: Target, *, was_started: bool, was_ready: bool) -> None:
        """Begin with a running container; nothing happens if it is watched already."""
        container_id = target.attempt.id
        if container_id in self._health:
            return
        spec = target.container.spec
        has_probes = target.container.kind in (Kind.REGULAR, Kind.SIDECAR)
        probes = {kind: probe_of(spec, kind) if has_probes else None for kind in (STARTUP, LIVENESS, READINESS)}
        is_started = probes[STARTUP] is None or was_started
        self._health[container_id] = Health(is_started, is_started and (probes[READINESS] is None or was_ready))
        if any(probes.values()):
            task = self._group.create_task(self._run(target, probes), name=f"probes {target.container.name}")
            self._tasks[container_id] = task

    def keep(self, ids: Collection[str]) -> None:
        """Forget every container that is not among `ids`."""
        for container_id in [held for held in self._health if held not in ids]:
            del self._health[container_id]
            task = self._tasks.pop(container_id, None)
            if task is not None:
                task.cancel()

    def set_unready(self, container_id: str) -> None:
        """A container that is being stopped counts as not ready; its probes end."""
        health = self._health.get(container_id)
        if health is not None:
            self._health[container_id] = replace(health, ready=False)
        task = self._tasks.pop(container_id, None)
        if task is not None:
            task.cancel()

    async def _run(self, target: Target, probes: Mapping[str, Probe | None]) -> None:
        startup, liveness, readiness = probes[STARTUP], probes[LIVENESS], probes[READINESS]
        if startup is not None and not self._health[target.attempt.id].started:
            await self._repeat(target, startup)
            health = self._health.get(target.attempt.id)
            if health is None or not health.started:
                return
        async with asyncio.TaskGroup() as group:
            for probe in (liveness, readiness):
                if probe is not None:
                    group.create_task(self._repeat(target, probe))

    async def _repeat(self, target: Target, probe: Probe) -> None:
        """Probe for ever; a startup probe ends with its success, a liveness probe with its failure."""
        clock = self._workshop.clock
        await clock.sleep(max(0.0, probe.initial_delay_s - self._age_s(target)))
        tally = Tally(probe.starts_as)
        if probe.kind == READINESS:
            tally = Tally(self._health[target.attempt.id].ready)
        while True:
            outcome = await run_handler(self._workshop, target, probe.handler, probe.timeout_s)
            if not outcome.is_success:
                self._workshop.recorder.event(
                    target.pod,
                    "Warning",
                    "Unhealthy",
                    f"{_TITLES[probe.kind]} probe failed: {outcome.output}",
                    field_path=target.container.field_path,
                )
            tally = counted(probe, tally, is_success=outcome.is_success)
            is_exhausted = not outcome.is_success and tally.run >= probe.failure_threshold
            if self._note(target, probe, tally, is_exhausted=is_exhausted):
                return
            await clock.sleep(probe.period_s)

    def _note(self, target: Target, probe: Probe, tally: Tally, *, is_exhausted: bool) -> bool:
        """Write a verdict down; True when this probe has nothing more to say."""
        container_id = target.attempt.id
        before = self._health.get(container_id)
        if before is None:
            return True
        after = before
        is_done = False
        if probe.kind == READINESS:
            after = replace(before, ready=tally.verdict)
        elif probe.kind == STARTUP and tally.verdict:
            has_readiness = probe_of(target.container.spec, READINESS) is not None
            after = replace(before, started=True, ready=not has_readiness)
            is_done = True
        elif is_exhausted:
            words = f"Container {target.container.name} failed {probe.kind} probe, will be restarted"
            after = replace(before, ready=False, unhealthy=words, grace_s=probe.grace_s)
            is_done = True
        if after != before:
            self._health[container_id] = after
            self._changed()
        return is_done

    def _age_s(self, target: Target) -> float:
        started = moment_of(target.attempt.started_at)
        return max(0.0, (self._workshop.clock.now() - started).total_seconds()) if started is not None else 0.0
