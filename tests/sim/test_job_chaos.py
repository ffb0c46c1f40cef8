"""A Job counts each Pod exactly once, through restarts, refusals, lag and Pods that fail."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from maru.components.workloads.controllers.jobs import Jobs
from maru.core.document import Value
from maru.core.errors import Conflict, Unavailable
from maru.kinds.pod_state import phase
from maru.kinds.resources import JOBS
from tests.sim.chaos import Build
from tests.sim.kubelet import Behaviour
from tests.sim.mutants import replaced
from tests.sim.test_jobs import job, verdicts
from tests.sim.world import World, everything

SEEDS = range(1, 7)


class CountsTwice(Jobs):
    """Forgets which Pods it has counted by their finalizer."""

    async def _untrack(self, pods: Sequence[Value]) -> None:
        return


async def play(seed: int, build: Build = everything) -> list[str]:
    """One run; what was wrong in the end."""
    chance = random.Random(seed)
    world = World(seed)
    await world.setup(nodes=2)
    fails: dict[str, bool] = {}

    def script(pod: Value) -> Behaviour:
        failed = fails.setdefault(pod["metadata"]["uid"], chance.random() < 0.3)
        return Behaviour(start_s=chance.uniform(0.05, 1), exit_s=chance.uniform(0.1, 3), code=int(failed))

    world.script = script
    world.lag_s = lambda: chance.choice((0.0, 0.05, 0.3))
    await world.user.create(JOBS, job(completions=6, parallelism=3, backoffLimit=100))
    for _ in range(3):
        async with world.running(build):
            for _ in range(4):
                if chance.random() < 0.5:
                    world.api.fail_next(chance.choice((Conflict, Unavailable))(what="fault", why="injected"))
                await world.run(chance.uniform(0.2, 4))
    async with world.running(build):
        try:
            assert await world.until(lambda: "Complete" in verdicts(world), 900, step_s=1)
        except AssertionError:
            return ["it never completed"]
    phases = [phase(pod) for pod in world.pods(app="once")]
    status = world.get(JOBS, "once")["status"]
    wrong = []
    if (status["succeeded"], phases.count("Succeeded")) != (6, 6):
        wrong.append(f"succeeded {status['succeeded']}, Pods {phases.count('Succeeded')}")
    if status.get("failed", 0) != phases.count("Failed"):
        wrong.append(f"failed {status.get('failed')}, Pods {phases.count('Failed')}")
    return wrong


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_job_counts_each_pod_exactly_once(seed: int) -> None:
    assert await play(seed) == []


async def test_a_job_controller_that_miscounts_is_noticed() -> None:
    build: Build = replaced(Jobs, CountsTwice)
    for seed in SEEDS:
        if await play(seed, build):
            return
    pytest.fail("no seed noticed it")
