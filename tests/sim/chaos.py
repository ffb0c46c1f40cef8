"""One seeded run: a Deployment that people and faults pull about, watched for what must never be seen.

The faults: restarts of the whole control plane with the store kept, Pods deleted by hand, conflicts
and refusals of single requests, Pods that are slow, never ready or fail, and intent changed at any
time, also while everything is down.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from maru.components.workloads.controllers.kit import Kit, Runner
from maru.core.client import DeleteOptions
from maru.core.document import Value
from maru.core.errors import Conflict, NotFound, Unavailable
from maru.kinds.pod_state import is_active
from maru.kinds.resources import DEPLOYMENTS, PODS, REPLICASETS
from tests.sim.kubelet import Behaviour
from tests.sim.world import World, deployment, everything, is_ready, is_rolled_out

Build = Callable[[Kit], Sequence[Runner]]
STEPS = 14
SURGE, MISSING = 1, 1


@dataclass
class Run:
    """seed: decides everything. broken: what was seen that must not be."""

    seed: int
    build: Build = everything
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.world = World(self.seed)
        self._replicas = 3
        self._most = 3
        self._image = 1

    async def play(self) -> list[str]:
        """The whole run; what was broken."""
        await self.world.setup(nodes=2)
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": SURGE, "maxUnavailable": MISSING}}
        self.world.script = self._script
        self.world.lag_s = lambda: self._random.choice((0.0, 0.0, 0.05, 0.3))
        await self.world.user.create(DEPLOYMENTS, deployment(replicas=self._replicas, strategy=rolling))
        for _ in range(2):
            async with self.world.running(self.build):
                for _ in range(STEPS // 2):
                    await self._step()
            for _ in range(self._random.randrange(2)):
                await self._change_intent()
        self.world.script = lambda pod: Behaviour()
        async with self.world.running(self.build):
            await self._mend()
            await self._check_settled()
            await self._check_roll_out_keeps_its_bounds()
            await self._check_deletion()
        return self.broken

    def _script(self, pod: Value) -> Behaviour:
        chance = self._random.random()
        if chance < 0.1:
            return Behaviour(is_ready=False)
        if chance < 0.2:
            return Behaviour(exit_s=1.0, code=1)
        return Behaviour(start_s=self._random.uniform(0.05, 2.0), stop_s=self._random.uniform(0.05, 1.5))

    async def _step(self) -> None:
        fault = self._random.choice((self._change_intent, self._delete_pod, self._refuse, self._nothing))
        await fault()
        for _ in range(self._random.randrange(1, 12)):
            await self.world.run(self._random.uniform(0.01, 0.5))
            self._check_counts()

    async def _nothing(self) -> None:
        return

    async def _change_intent(self) -> None:
        if self._random.random() < 0.5:
            self._replicas = self._random.randrange(1, 6)
            self._most = max(self._most, self._replicas)
            await self._insist(lambda: self.world.change(DEPLOYMENTS, "web", replicas=self._replicas))
            return
        self._image = self._random.randrange(1, 4)
        fresh = deployment(image=f"app:{self._image}")["spec"]["template"]
        await self._insist(lambda: self.world.change(DEPLOYMENTS, "web", template=fresh))

    async def _delete_pod(self) -> None:
        pods = self.world.pods(app="web")
        if not pods:
            return
        await self._take_away(self._random.choice(pods))

    async def _take_away(self, pod: Value) -> None:
        name = pod["metadata"]["name"]
        options = DeleteOptions(grace_period_s=0)
        try:
            await self._insist(lambda: self.world.user.delete(PODS, "default", name, options))
        except NotFound:
            return

    async def _insist(self, act: Callable[[], Awaitable[object]]) -> None:
        """What people do goes through: faults are for the controllers."""
        while True:
            try:
                await act()
            except (Conflict, Unavailable):
                continue
            return

    async def _refuse(self) -> None:
        kinds = (Conflict, Unavailable)
        errors = [self._random.choice(kinds)(what="fault", why="injected") for _ in range(self._random.randrange(1, 4))]
        self.world.api.fail_next(*errors)

    async def _mend(self) -> None:
        """Take away what cannot come right by itself: Pods that were told never to be ready."""
        for pod in self.world.pods(app="web"):
            if not is_ready(pod):
                await self._take_away(pod)

    def _sees(self, what: str, holds: bool) -> None:
        if not holds:
            self.broken.append(f"{what} (seed {self.seed}, at {self.world.clock.now():%H:%M:%S})")

    def _check_counts(self) -> None:
        """No ReplicaSet ever has more Pods than were ever wanted, but for those going away."""
        for owner in self.world.api.all(REPLICASETS):
            mine = [
                pod
                for pod in self.world.pods(app="web")
                if is_active(pod) and pod["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
            ]
            self._sees("more Pods than ever wanted", len(mine) <= self._most + SURGE)

    async def _check_settled(self) -> None:
        try:
            await self.world.until(lambda: is_rolled_out(self.world.get(DEPLOYMENTS, "web")), 400)
        except AssertionError:
            self._sees("it never came right", False)
            return
        await self.world.run(30)
        pods = self.world.pods(app="web")
        self._sees("as many Pods as wanted", len(pods) == self._replicas)
        images = {pod["spec"]["containers"][0]["image"] for pod in pods}
        self._sees("all of the last template", images == {f"app:{self._image}"})
        before = len(self.world.writes())
        await self.world.run(120)
        self._sees("a settled system writes nothing", len(self.world.writes()) == before)

    async def _check_roll_out_keeps_its_bounds(self) -> None:
        """With nobody in the way, an update stays within maxSurge and maxUnavailable."""
        self._replicas = 4
        await self.world.change(DEPLOYMENTS, "web", replicas=4)
        await self.world.run(20)
        fresh = deployment(image="app:9")["spec"]["template"]
        await self.world.change(DEPLOYMENTS, "web", template=fresh)
        for _ in range(60):
            await self.world.run(0.1)
            pods = [pod for pod in self.world.pods(app="web") if is_active(pod)]
            self._sees("never more than replicas and maxSurge", len(pods) <= self._replicas + SURGE)
            ready = sum(1 for pod in pods if is_ready(pod))
            self._sees("never fewer than replicas less maxUnavailable", ready >= self._replicas - MISSING)
        images = {pod["spec"]["containers"][0]["image"] for pod in self.world.pods(app="web")}
        self._sees("the update comes through", images == {"app:9"})

    async def _check_deletion(self) -> None:
        await self.world.user.delete(DEPLOYMENTS, "default", "web")
        await self.world.run(10)
        self._sees("owner gone, children gone", not self.world.api.all(REPLICASETS) and not self.world.pods(app="web"))
