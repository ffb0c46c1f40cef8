"""Deployments from end to end in simulated time."""

from __future__ import annotations

from maru.kinds.resources import DEPLOYMENTS, EVENTS, REPLICASETS
from tests.sim.world import World, deployment, is_ready, roll_out


async def test_a_deployment_becomes_ready_pods_on_nodes() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment())
        assert await roll_out(world)
        pods = world.pods(app="web")
        assert len(pods) == 3 and all(is_ready(pod) and pod["spec"]["nodeName"] == "n1" for pod in pods)
        status = world.get(DEPLOYMENTS, "web")["status"]
        assert {e["type"]: e["reason"] for e in status["conditions"]} == {
            "Available": "MinimumReplicasAvailable",
            "Progressing": "NewReplicaSetAvailable",
        }
        (replica_set,) = world.api.all(REPLICASETS)
        assert replica_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
        reasons = {event["reason"] for event in world.api.all(EVENTS)}
        assert {"ScalingReplicaSet", "SuccessfulCreate", "Scheduled"} <= reasons


async def test_a_settled_system_writes_nothing() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment())
        assert await roll_out(world)
        await world.run(5)
        before = len(world.writes())
        await world.run(300)
        assert world.writes()[before:] == []
