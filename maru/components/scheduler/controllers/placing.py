"""One Pod after another gets its node, or learns why it does not.

Choosing is local and synchronous; binding goes out in the background, so the next Pod is placed
against a snapshot that counts the one before already.
Source: k8s.io/kubernetes/pkg/scheduler/schedule_one.go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from maru.components.scheduler.controllers.binding import Binder
from maru.components.scheduler.controllers.feeds import Feeds
from maru.components.scheduler.model.filters import Cycle, World
from maru.components.scheduler.model.nodes import NodeState, Snapshot
from maru.components.scheduler.model.pods import PodFacts
from maru.components.scheduler.model.preemption import Preemption, find, ineligible
from maru.components.scheduler.model.queue import Queue, Waiting
from maru.components.scheduler.model.scores import totals
from maru.components.scheduler.model.verdicts import Refusal, Refusals, describe, describe_preemption
from maru.components.scheduler.model.volumes import ClaimDemand, claim_demand
from maru.core.clock import Clock
from maru.core.document import Value
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.lifecycle import Background

CLAIMS_BIND_S = 600.0  # kube-scheduler's bindTimeoutSeconds
CLAIMS_LOOK_FIRST_S = 0.01
CLAIMS_LOOK_MAX_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to: a node, or the message why not and the room that could be made."""

    node: str = ""
    message: str = ""
    preemption: Preemption | None = None


class Placing:
    """The scheduling loop."""

    def __init__(self, informers: Informers, clock: Clock, ids: Ids, binder: Binder) -> None:
        self._clock = clock
        self._ids = ids
        self._binder = binder
        self._wakes = asyncio.Event()
        self._queue = Queue()
        self._snapshot = Snapshot()
        self._feeds = Feeds(informers, clock, self._snapshot, self._queue, self._wakes.set)

    async def run(self, tasks: Background) -> None:
        """Place Pods until cancelled; bindings run in `tasks`."""
        await self._feeds.wait_synced()
        while True:
            entry = self._queue.take(self._clock.monotonic_s())
            if entry is None:
                await self._wait()
                continue
            await self._attempt(entry, tasks)
            # Events that came meanwhile are heard before the next choice.
            await self._clock.sleep(0)

    def decide(self, pod: PodFacts) -> Outcome:
        """Where `pod` goes, as things stand. Local."""
        nodes = self._snapshot.nodes()
        world = World(nodes, self._feeds.namespaces())
        claims = claim_demand(pod.namespace, pod.claims, self._feeds.volumes())
        cycle = Cycle(pod, world, claims)
        refusals: dict[str, tuple[Refusal, ...]] = {}
        passed: list[NodeState] = []
        for state in nodes.values():
            reasons = cycle.refusals(self._with_nominated(state, pod))
            if reasons:
                refusals[state.name] = reasons
            else:
                passed.append(state)
        if passed:
            return Outcome(node=self._best(pod, passed, world))
        return self._refused(pod, world, refusals, claims)

    def _refused(self, pod: PodFacts, world: World, refusals: Refusals, claims: ClaimDemand) -> Outcome:
        message = describe(refusals, len(world.nodes))
        if claims.blocked is not None:
            count = len(world.nodes)
            message = f"0/{count} nodes are available: {claims.blocked.reason}."
        reason = ineligible(pod, self._snapshot)
        if reason:
            return Outcome(message=f"{message} preemption: {reason}")
        chosen = find(pod, world, refusals, self._feeds.budgets(), claims)
        if world.nodes:
            message += f" preemption: {describe_preemption(refusals, len(world.nodes))}"
        return Outcome(message=message, preemption=chosen)

    def _with_nominated(self, state: NodeState, pod: PodFacts) -> NodeState:
        nominated = self._snapshot.nominated_on(state.name, pod)
        if not nominated:
            return state
        fuller = state.copy()
        for other in nominated:
            fuller.add(other)
        return fuller

    def _best(self, pod: PodFacts, states: list[NodeState], world: World) -> str:
        nominated = next((state.name for state in states if state.name == pod.nominated), "")
        if nominated or len(states) == 1:
            return nominated or states[0].name
        points = totals(pod, states, world)
        highest = max(points)
        best = [state.name for state, each in zip(states, points, strict=True) if each >= highest - 1e-9]
        return best[int(self._ids.fraction() * len(best))]

    async def _attempt(self, entry: Waiting, tasks: Background) -> None:
        pod = entry.pod
        if not self._feeds.is_current(pod):
            self._queue.done(entry)
            return
        if pod.is_gated:
            message = "Scheduling is blocked due to non-empty scheduling gates"
            entry.attempts = 0
            self._queue.failed(entry, self._clock.monotonic_s())
            await self._binder.say(pod, "SchedulingGated", message)
            return
        outcome = self.decide(pod)
        if outcome.node:
            self._snapshot.assume(pod, outcome.node)
            tasks.start(self._bind(entry, pod, outcome.node), name=f"bind {pod.key}")
            return
        self._queue.failed(entry, self._clock.monotonic_s())
        await self._give_up(pod, outcome)

    async def _give_up(self, pod: PodFacts, outcome: Outcome) -> None:
        nominated = pod.nominated
        if outcome.preemption is not None:
            nominated = outcome.preemption.node
            await self._binder.make_room(pod, outcome.preemption)
        self._binder.event(pod.value, "Warning", "FailedScheduling", outcome.message)
        await self._binder.say(pod, "Unschedulable", outcome.message, nominated)

    async def _bind(self, entry: Waiting, pod: PodFacts, node: str) -> None:
        if not await self._bind_claims(pod, node):
            self._release(entry, pod)
            return
        if await self._binder.bind(pod, node):
            self._queue.done(entry)
            return
        self._release(entry, pod)

    async def _bind_claims(self, pod: PodFacts, node: str) -> bool:
        """Have claims that waited for a node bound on it; False when that failed, or took too long."""
        delayed = self._delayed_claims(pod)
        if not delayed:
            return True
        if not await self._binder.choose_node_for(delayed, node):
            return False
        until_s = self._clock.monotonic_s() + CLAIMS_BIND_S
        pause_s = CLAIMS_LOOK_FIRST_S
        while self._delayed_claims(pod):
            if not self._feeds.is_current(pod) or self._clock.monotonic_s() > until_s:
                return False
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, CLAIMS_LOOK_MAX_S)
        return True

    def _delayed_claims(self, pod: PodFacts) -> tuple[Value, ...]:
        return claim_demand(pod.namespace, pod.claims, self._feeds.volumes()).delayed if pod.claims else ()

    def _release(self, entry: Waiting, pod: PodFacts) -> None:
        if self._snapshot.is_assumed(pod.uid):
            self._snapshot.drop_pod(pod.uid)
        if self._feeds.is_current(pod):
            self._queue.retry(entry, self._clock.monotonic_s())
        else:
            self._queue.done(entry)
        self._queue.stir(self._clock.monotonic_s())
        self._wakes.set()

    async def _wait(self) -> None:
        self._wakes.clear()
        due_s = self._queue.next_s()
        if due_s is None:
            await self._wakes.wait()
            return
        delay_s = due_s - self._clock.monotonic_s()
        if delay_s <= 0:
            return
        sleep = asyncio.ensure_future(self._clock.sleep(delay_s))
        wake = asyncio.ensure_future(self._wakes.wait())
        try:
            await asyncio.wait((sleep, wake), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()
