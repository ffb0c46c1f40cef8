"""Disruption budgets and quotas count right, in simulated time."""

from __future__ import annotations

from maru.kinds.resources import CONFIGMAPS, DEPLOYMENTS, PODDISRUPTIONBUDGETS, RESOURCEQUOTAS
from tests.sim.world import World, deployment, roll_out


async def test_a_budget_allows_what_is_beyond_its_minimum() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment())
        spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
        await world.user.create(PODDISRUPTIONBUDGETS, {"metadata": {"name": "b", "namespace": "default"}, "spec": spec})
        assert await roll_out(world)
        await world.run(0.1)
        status = world.get(PODDISRUPTIONBUDGETS, "b")["status"]
        assert (status["disruptionsAllowed"], status["currentHealthy"], status["desiredHealthy"]) == (1, 3, 2)
        assert status["conditions"][0]["reason"] == "SufficientPods"


async def test_a_percentage_counts_the_replicas_of_the_deployment() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment(replicas=4))
        spec = {"maxUnavailable": "50%", "selector": {"matchLabels": {"app": "web"}}}
        await world.user.create(PODDISRUPTIONBUDGETS, {"metadata": {"name": "b", "namespace": "default"}, "spec": spec})
        assert await roll_out(world)
        await world.run(0.1)
        status = world.get(PODDISRUPTIONBUDGETS, "b")["status"]
        assert (status["expectedPods"], status["disruptionsAllowed"]) == (4, 2)


async def test_a_quota_says_what_is_used() -> None:
    world = World()
    await world.setup()
    async with world.running():
        wanted = deployment(replicas=2)
        wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = {
            "requests": {"cpu": "250m", "memory": "64Mi"}
        }
        await world.user.create(DEPLOYMENTS, wanted)
        hard = {
            "pods": "10",
            "requests.cpu": "2",
            "requests.memory": "1Gi",
            "configmaps": "5",
            "count/deployments.apps": "3",
        }
        await world.user.create(
            RESOURCEQUOTAS, {"metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": hard}}
        )
        await world.user.create(CONFIGMAPS, {"metadata": {"name": "c", "namespace": "default"}})
        assert await roll_out(world)
        await world.run(0.1)
        used = world.get(RESOURCEQUOTAS, "q")["status"]["used"]
        assert used == {
            "pods": "2",
            "requests.cpu": "500m",
            "requests.memory": "128Mi",
            "configmaps": "1",
            "count/deployments.apps": "1",
        }
