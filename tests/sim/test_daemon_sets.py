"""DaemonSets in simulated time."""

from __future__ import annotations

from maru.core.document import Value
from maru.kinds.resources import DAEMONSETS, NODES
from tests.sim.world import World, is_ready, template


def daemon_set(image: str = "agent:1", **spec: object) -> Value:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    return {
        "metadata": {"name": "agent", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": template("agent", image),
            "updateStrategy": rolling,
            "revisionHistoryLimit": 10,
            **spec,
        },
    }


def places(world: World) -> list[str]:
    return sorted(pod["spec"].get("nodeName", "") for pod in world.pods(app="agent") if is_ready(pod))


async def test_every_node_has_one_pod_also_those_that_come_later_or_are_cordoned() -> None:
    world = World()
    await world.setup(nodes=2)
    async with world.running():
        await world.user.create(DAEMONSETS, daemon_set())
        assert await world.until(lambda: places(world) == ["n1", "n2"], 5)
        await world.user.patch(NODES, "", "n2", {"spec": {"unschedulable": True}})
        await world.add_node("n3")
        assert await world.until(lambda: places(world) == ["n1", "n2", "n3"], 5)
        status = world.get(DAEMONSETS, "agent")["status"]
        assert (status["desiredNumberScheduled"], status["numberReady"], status["numberMisscheduled"]) == (3, 3, 0)


async def test_an_update_replaces_one_pod_at_a_time() -> None:
    world = World()
    await world.setup(nodes=3)
    async with world.running():
        await world.user.create(DAEMONSETS, daemon_set())
        assert await world.until(lambda: len(places(world)) == 3, 5)
        await world.change(DAEMONSETS, "agent", template=template("agent", "agent:2"))
        for _ in range(60):
            await world.run(0.1)
            assert len(places(world)) >= 2
        assert {pod["spec"]["containers"][0]["image"] for pod in world.pods(app="agent")} == {"agent:2"}
        assert world.get(DAEMONSETS, "agent")["status"]["updatedNumberScheduled"] == 3


async def test_an_update_with_surge_never_lacks_a_pod() -> None:
    world = World()
    await world.setup(nodes=2)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    async with world.running():
        await world.user.create(DAEMONSETS, daemon_set(updateStrategy=rolling))
        assert await world.until(lambda: len(places(world)) == 2, 5)
        await world.change(DAEMONSETS, "agent", template=template("agent", "agent:2"))
        for _ in range(60):
            await world.run(0.1)
            assert set(places(world)) == {"n1", "n2"}
        assert {pod["spec"]["containers"][0]["image"] for pod in world.pods(app="agent")} == {"agent:2"}


async def test_a_node_that_does_not_fit_has_no_pod() -> None:
    world = World()
    await world.setup(nodes=1)
    await world.add_node("n2", disk="ssd")
    async with world.running():
        wanted = daemon_set()
        wanted["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
        await world.user.create(DAEMONSETS, wanted)
        assert await world.until(lambda: places(world) == ["n2"], 5)
        await world.user.patch(NODES, "", "n2", {"metadata": {"labels": {"disk": None}}})
        assert await world.until(lambda: world.pods(app="agent") == [], 5)
