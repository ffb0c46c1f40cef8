"""One Pod on this node: look, plan, act, report, and sleep until something changes.

What takes long (pulling, starting, stopping, tearing down) runs beside the loop, so the loop sees a
deletion at once. Source of the shape: pkg/kubelet, podWorkers and syncPod.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta

from maru.components.node.controllers.container_stopper import StopOrder, stop_container
from maru.components.node.controllers.handlers import Target
from maru.components.node.controllers.image_puller import ImagePuller
from maru.components.node.controllers.pod_memory import PodMemory, old_entry, picture_of, target_ip
from maru.components.node.controllers.pod_steps import PodSteps
from maru.components.node.controllers.prober import Prober
from maru.components.node.controllers.resizer import Neighbours, Resizer
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.model.plan import Action, Discard, End, MakeSandbox, Start, Stop, Teardown, plan
from maru.components.node.model.status import pod_status
from maru.components.node.model.view import Ending, Picture, containers_of
from maru.core.clock import parse_rfc3339
from maru.core.document import Value

_FINISHED_PHASES = ("Succeeded", "Failed")
GRACE_DEFAULT_S = 30


class PodWorker:
    """`report` is called when the status it stands for has changed, or the Pod may be deleted."""

    def __init__(
        self, workshop: Workshop, pod: Value, report: Callable[[PodWorker], None], neighbours: Neighbours
    ) -> None:
        self._workshop = workshop
        self._report = report
        self.memory = PodMemory(pod)
        self._resizer = Resizer(workshop, self.memory, neighbours, self.wake)
        self.status: Value | None = None
        self.is_torn_down = False
        self.is_released = False  # the API has been told that it may go
        self._was_over = (pod.get("status") or {}).get("phase") in _FINISHED_PHASES
        self._wakes = asyncio.Event()
        self._steps: PodSteps | None = None
        self._busy: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._stops: dict[str, tuple[StopOrder, asyncio.Task[None]]] = {}

    @property
    def pod(self) -> Value:
        return self.memory.pod

    @property
    def wants_delete(self) -> bool:
        """True when nothing is left of a Pod whose deletion was asked for."""
        return self.is_torn_down and not self.memory.is_gone and bool(self.pod["metadata"].get("deletionTimestamp"))

    def update(self, pod: Value) -> None:
        """A newer document came; older ones than what is held are ignored."""
        if _version(pod) >= _version(self.pod):
            self.memory.pod = pod
            self.wake()

    def gone(self, last: Value) -> None:
        """The API no longer has it."""
        self.memory.pod = last
        self.memory.is_gone = True
        self.wake()

    @property
    def is_evicted(self) -> bool:
        """True when the node made it go."""
        return self.memory.ending is not None and self.memory.ending.is_evicted

    def evict(self, reason: str, message: str, grace_s: float) -> None:
        """It ends as Failed, for the node's sake."""
        deadline_s = self._workshop.clock.monotonic_s() + grace_s
        self._begin_ending(Ending(deadline_s, reason, message, is_failed=True, is_evicted=True))
        self.wake()

    def wake(self) -> None:
        """Look again."""
        self._wakes.set()

    def hurry(self) -> None:
        """Something that a failed step waited for may be there now."""
        if self._steps is not None:
            self._steps.hurry()
        self.wake()

    async def run(self) -> None:
        """Until the Pod is gone and so is everything it had here."""
        async with asyncio.TaskGroup() as group:
            prober = Prober(self._workshop, group, self.wake)
            steps = self._steps = PodSteps(self._workshop, self.memory, ImagePuller(self._workshop), self.wake)
            await steps.load()
            while not (self.is_torn_down and self.memory.is_gone):
                self._wakes.clear()
                wake_at_s = await self._look(group, prober, steps)
                if self.is_torn_down and self.memory.is_gone:
                    break
                await self._wait(wake_at_s)
            prober.keep(())
            if self._refreshing is not None:
                self._refreshing.cancel()
            await steps.clean_up()

    async def _wait(self, wake_at_s: float | None) -> None:
        if wake_at_s is None:
            await self._wakes.wait()
            return
        timer = asyncio.ensure_future(self._workshop.clock.sleep(wake_at_s - self._workshop.clock.monotonic_s()))
        wakes = asyncio.ensure_future(self._wakes.wait())
        try:
            await asyncio.wait((timer, wakes), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            wakes.cancel()

    async def _look(self, group: asyncio.TaskGroup, prober: Prober, steps: PodSteps) -> float | None:
        await steps.learn_messages()
        self._decide_ending()
        wakes = [self._resizer.decide()]
        picture = self._picture(prober)
        if not self.is_torn_down:
            self._watch_health(prober, picture)
            picture = self._picture(prober)
        if not self.is_torn_down:
            made = plan(self.memory.allotted_pod, picture)
            if any(isinstance(action, End) for action in made.actions):
                self._begin_ending(Ending(picture.now_s + self._grace_s()))
                self.wake()
            for action in made.actions:
                self._carry_out(group, steps, action)
            self._start_containers(group, steps, made.actions)
            self._hasten_stops(group, steps)
            steps.announce_backoff(picture)
            wakes += [made.wake_at_s, *self._keep_fresh(group, steps, picture)]
            picture = self._picture(prober)
        self._publish(picture)
        return min((wake_at_s for wake_at_s in wakes if wake_at_s is not None), default=None)

    def _picture(self, prober: Prober) -> Picture:
        outdated = self._resizer.outdated(self.memory.attempts(self._workshop))
        stopping, is_busy = frozenset(self._stops), self._busy is not None
        picture = picture_of(self.memory, self._workshop, prober, stopping, is_busy=is_busy)
        if not outdated:
            return picture
        health = {key: replace(picture.health[key], unhealthy=words) for key, words in outdated.items()}
        return replace(picture, health={**picture.health, **health})

    def _watch_health(self, prober: Prober, picture: Picture) -> None:
        kinds = {container.name: container for container in containers_of(self.pod)}
        running = []
        for attempts in picture.attempts.values():
            for attempt in attempts:
                container = kinds.get(attempt.name)
                if not attempt.is_running or container is None:
                    continue
                running.append(attempt.id)
                if attempt.id in self._stops or attempt.id in self.memory.hooked or picture.ending is not None:
                    continue
                old = old_entry(self.pod, container.kind, attempt.name)
                is_same = old.get("containerID") == f"maru://{attempt.id}"
                target = Target(self.pod, container, attempt, target_ip(self.memory))
                prober.watch(
                    target,
                    was_started=is_same and bool(old.get("started")),
                    was_ready=is_same and bool(old.get("ready")),
                )
        prober.keep(running)
        for container_id in self._stops:
            prober.set_unready(container_id)

    def _publish(self, picture: Picture) -> None:
        if self._was_over and self.status is None and not self.wants_delete:
            return
        if self.memory.is_gone:
            return
        if not self._was_over:
            self.status = pod_status(self.pod, picture, self._workshop.host_ips)
        self._report(self)

    def _decide_ending(self) -> None:
        """A deletion, a deadline or an end that was there before: the Pod goes away."""
        clock, pod = self._workshop.clock, self.pod
        now_s = clock.monotonic_s()
        metadata, status = pod["metadata"], pod.get("status") or {}
        if self.memory.is_gone or metadata.get("deletionTimestamp"):
            grace_s = float(metadata.get("deletionGracePeriodSeconds", self._grace_s()))
            if self.memory.is_gone:
                # Removed in the middle of its deletion: by force, and nobody waits any more.
                grace_s = 0.0 if metadata.get("deletionTimestamp") else float(self._grace_s())
            elif grace_s:
                left = parse_rfc3339(metadata["deletionTimestamp"]) - clock.now()
                grace_s = max(0.0, min(grace_s, left.total_seconds() + 1))
            self._begin_ending(Ending(now_s + grace_s))
        elif status.get("phase") in _FINISHED_PHASES:
            self._begin_ending(Ending(now_s + self._grace_s()))
        else:
            deadline_s = self._active_deadline_s()
            if deadline_s is not None and deadline_s <= now_s:
                words = "Pod was active on the node longer than the specified deadline"
                if self.memory.ending is None:
                    self._workshop.recorder.event(pod, "Normal", "DeadlineExceeded", words)
                self._begin_ending(Ending(now_s + self._grace_s(), "DeadlineExceeded", words, is_failed=True))

    def _begin_ending(self, ending: Ending) -> None:
        before = self.memory.ending
        if before is None:
            self.memory.ending = ending
            if self._busy is not None:
                self._busy.cancel()
        elif ending.deadline_s < before.deadline_s - 1:
            self.memory.ending = replace(before, deadline_s=ending.deadline_s)

    def _active_deadline_s(self) -> float | None:
        """Monotonic, None without a deadline."""
        limit_s, started = (
            self.pod["spec"].get("activeDeadlineSeconds"),
            (self.pod.get("status") or {}).get("startTime"),
        )
        if limit_s is None or not started:
            return None
        clock = self._workshop.clock
        left = parse_rfc3339(started) + timedelta(seconds=limit_s) - clock.now()
        return clock.monotonic_s() + left.total_seconds()

    def _grace_s(self) -> int:
        return int(self.pod["spec"].get("terminationGracePeriodSeconds", GRACE_DEFAULT_S))

    def _carry_out(self, group: asyncio.TaskGroup, steps: PodSteps, action: Action) -> None:
        if isinstance(action, MakeSandbox):
            self._be_busy(group, steps.make_sandbox())
        elif isinstance(action, Stop):
            self._stop(group, steps, action)
        elif isinstance(action, Discard):
            steps.discard(group, action.attempt)
        elif isinstance(action, Teardown):
            self._be_busy(group, self._tear_down(steps))

    def _start_containers(self, group: asyncio.TaskGroup, steps: PodSteps, actions: Sequence[Action]) -> None:
        starts = [action for action in actions if isinstance(action, Start)]
        if starts and self._busy is None and self.memory.ending is None:
            self._be_busy(group, steps.start(starts))

    async def _tear_down(self, steps: PodSteps) -> None:
        await steps.tear_down()
        self.is_torn_down = True

    def _be_busy(self, group: asyncio.TaskGroup, work: Coroutine[None, None, None]) -> None:
        if self._busy is not None:
            work.close()
            return

        async def run() -> None:
            try:
                await work
            finally:
                self._busy = None
                self.wake()

        self._busy = group.create_task(run(), name=f"pod {self.pod['metadata']['name']}")

    def _stop(self, group: asyncio.TaskGroup, steps: PodSteps, stop: Stop) -> None:
        containers = {container.name: container for container in containers_of(self.pod)}
        deadline_s = self._workshop.clock.monotonic_s() + stop.grace_s
        order = StopOrder(self.pod, containers.get(stop.attempt.name), stop, target_ip(self.memory), deadline_s)
        self._run_stop(group, order)

    def _run_stop(self, group: asyncio.TaskGroup, order: StopOrder) -> None:
        container_id = order.stop.attempt.id

        async def run() -> None:
            try:
                await stop_container(self._workshop, order)
            finally:
                held = self._stops.get(container_id)
                if held is not None and held[1] is asyncio.current_task():
                    del self._stops[container_id]
                self.wake()

        self._stops[container_id] = (order, group.create_task(run(), name=f"stop {order.stop.attempt.name}"))

    def _hasten_stops(self, group: asyncio.TaskGroup, steps: PodSteps) -> None:
        """The grace was cut short while containers were being stopped."""
        ending = self.memory.ending
        if ending is None:
            return
        for order, task in list(self._stops.values()):
            if order.deadline_s > ending.deadline_s + 1:
                task.cancel()
                order.deadline_s = ending.deadline_s
                self._run_stop(group, order)

    def _keep_fresh(self, group: asyncio.TaskGroup, steps: PodSteps, picture: Picture) -> list[float]:
        """Volumes and limits follow their sources; answers when to look again."""
        deadline_s = self._active_deadline_s()
        wakes = [deadline_s] if deadline_s is not None and picture.ending is None else []
        if picture.ending is not None or self.memory.sandbox is None:
            return wakes
        is_due = self.memory.volumes is None or steps.is_stale()
        if is_due and self._busy is None and self._refreshing is None:
            self._refreshing = group.create_task(self._refresh(steps), name="volumes")
        found = (self._resizer.act(group, picture), steps.refresh_at_s())
        return wakes + [wake_at_s for wake_at_s in found if wake_at_s is not None]

    async def _refresh(self, steps: PodSteps) -> None:
        try:
            await steps.refresh_volumes()
        finally:
            self._refreshing = None
            self.wake()


def _version(pod: Value) -> int:
    version = pod["metadata"].get("resourceVersion", "0")
    return int(version) if str(version).isdigit() else 0
