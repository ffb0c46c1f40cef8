"""Nodes that fall silent, and what becomes of their Pods, in simulated time."""

from __future__ import annotations

from maru.core.document import Value
from maru.kinds.pod_state import condition
from maru.kinds.resources import DEPLOYMENTS, NODES, PODS
from tests.sim.world import World, deployment, is_ready, roll_out

TOLERATIONS = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in ("not-ready", "unreachable")
]


def taints(world: World, name: str) -> set[tuple[str, str]]:
    return {(taint["key"], taint["effect"]) for taint in world.get(NODES, name)["spec"].get("taints") or ()}


def tolerant() -> Value:
    wanted = deployment(replicas=2)
    wanted["spec"]["template"]["spec"]["tolerations"] = TOLERATIONS
    return wanted


async def test_a_silent_node_is_unknown_tainted_and_its_pods_move_after_their_toleration() -> None:
    world = World()
    await world.setup(nodes=2)
    async with world.running():
        await world.user.create(DEPLOYMENTS, tolerant())
        assert await roll_out(world)
        assert world.kubelet is not None
        world.kubelet.broken.add("n1")
        await world.run(45)
        assert taints(world, "n1") == set()
        await world.run(25)
        ready = condition(world.get(NODES, "n1"), "Ready")
        assert ready is not None and (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
        assert taints(world, "n1") == {
            ("node.kubernetes.io/unreachable", "NoSchedule"),
            ("node.kubernetes.io/unreachable", "NoExecute"),
        }
        lost = [pod for pod in world.pods(app="web") if pod["spec"]["nodeName"] == "n1"]
        assert lost and not any(is_ready(pod) for pod in lost)
        await world.run(200)
        assert not any(pod["metadata"].get("deletionTimestamp") for pod in lost)
        await world.run(120)
        living = [pod for pod in world.pods(app="web") if is_ready(pod)]
        assert len(living) == 2 and {pod["spec"]["nodeName"] for pod in living} == {"n2"}


async def test_a_node_that_is_back_loses_its_taints() -> None:
    world = World()
    await world.setup(nodes=1)
    async with world.running():
        assert world.kubelet is not None
        world.kubelet.broken.add("n1")
        await world.run(70)
        assert taints(world, "n1")
        world.kubelet.broken.clear()
        status = {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}
        await world.user.patch(NODES, "", "n1", {"status": status}, subresource="status")
        await world.run(15)
        assert taints(world, "n1") == set()


async def test_pods_of_a_deleted_node_are_removed() -> None:
    world = World()
    await world.setup(nodes=2)
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment(replicas=2))
        assert await roll_out(world)
        await world.user.delete(NODES, "", "n1")
        assert await world.until(
            lambda: [pod["spec"]["nodeName"] for pod in world.pods(app="web") if is_ready(pod)] == ["n2", "n2"], 90
        )
        assert len(world.api.all(PODS)) == 2


async def test_a_cordoned_node_gets_the_taint_and_no_new_pods() -> None:
    world = World()
    await world.setup(nodes=1)
    async with world.running():
        await world.user.patch(NODES, "", "n1", {"spec": {"unschedulable": True}})
        await world.user.create(DEPLOYMENTS, deployment(replicas=1))
        await world.run(2)
        assert taints(world, "n1") == {("node.kubernetes.io/unschedulable", "NoSchedule")}
        (pod,) = world.pods(app="web")
        scheduled = condition(pod, "PodScheduled")
        assert scheduled is not None and scheduled["reason"] == "Unschedulable"
        await world.user.patch(NODES, "", "n1", {"spec": {"unschedulable": None}})
        assert await roll_out(world, seconds=15)


async def test_a_taint_that_tells_no_time_counts_from_when_it_is_seen() -> None:
    world = World()
    await world.setup(nodes=1)
    async with world.running():
        wanted = deployment(replicas=1)
        toleration = {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20}
        wanted["spec"]["template"]["spec"]["tolerations"] = [toleration]
        await world.user.create(DEPLOYMENTS, wanted)
        assert await roll_out(world)
        uid = world.pods(app="web")[0]["metadata"]["uid"]
        taint = {"key": "gpu", "value": "yes", "effect": "NoExecute"}
        await world.user.patch(NODES, "", "n1", {"spec": {"taints": [taint]}})
        await world.run(10)
        assert uid in {pod["metadata"]["uid"] for pod in world.pods(app="web")}
        await world.run(30)
        assert uid not in {pod["metadata"]["uid"] for pod in world.pods(app="web")}
