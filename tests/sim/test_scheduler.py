"""Where Pods go, and what is said when they go nowhere, in simulated time."""

from __future__ import annotations

from maru.core.document import Value
from maru.kinds.pod_state import condition
from maru.kinds.resources import EVENTS, NODES, PODS
from tests.sim.kubelet import Behaviour
from tests.sim.world import World


def pod(name: str, cpu: str = "", **spec: object) -> Value:
    container: Value = {"name": "main", "image": "x"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name.partition("-")[0]}},
        "spec": {"containers": [container], **spec},
    }


def node_of(world: World, name: str) -> str:
    return str(world.get(PODS, name)["spec"].get("nodeName", ""))


def why(world: World, name: str) -> str:
    scheduled = condition(world.get(PODS, name), "PodScheduled")
    assert scheduled is not None and scheduled["status"] == "False"
    return str(scheduled["message"])


async def test_a_pod_that_fits_nowhere_says_why_and_is_placed_when_a_node_comes() -> None:
    world = World()
    await world.setup(cpu="1")
    async with world.running():
        await world.user.create(PODS, pod("big", cpu="2"))
        await world.run(0.5)
        expected = (
            "0/1 nodes are available: 1 Insufficient cpu. "
            "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        )
        assert why(world, "big") == expected
        (event,) = [each for each in world.api.all(EVENTS) if each["reason"] == "FailedScheduling"]
        assert event["message"] == expected and event["type"] == "Warning"
        await world.add_node("n2", cpu="4")
        assert await world.until(lambda: node_of(world, "big") == "n2", 3)


async def test_a_pod_is_placed_when_another_leaves() -> None:
    world = World()
    await world.setup(cpu="1")
    async with world.running():
        await world.user.create(PODS, pod("one", cpu="800m"))
        await world.run(1)
        await world.user.create(PODS, pod("two", cpu="800m"))
        await world.run(1)
        assert "No preemption victims found for incoming pod" in why(world, "two")
        await world.user.delete(PODS, "default", "one")
        assert await world.until(lambda: node_of(world, "two") == "n1", 5)


async def test_without_nodes_the_message_says_so() -> None:
    world = World()
    await world.setup(nodes=0)
    async with world.running():
        await world.user.create(PODS, pod("one"))
        await world.run(0.5)
        assert why(world, "one") == "no nodes available to schedule pods"


async def test_selectors_affinity_and_taints_keep_pods_away() -> None:
    world = World()
    await world.setup(nodes=1)
    await world.add_node("n2", disk="ssd")
    tainted = await world.add_node("n3", disk="ssd")
    tainted["spec"]["taints"] = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    await world.api.put(NODES, tainted)
    async with world.running():
        await world.user.create(PODS, pod("picky", nodeSelector={"disk": "ssd"}))
        term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n3"]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        await world.user.create(PODS, pod("barred", affinity={"nodeAffinity": required}))
        tolerations = [{"key": "gpu", "operator": "Exists"}]
        await world.user.create(PODS, pod("allowed", affinity={"nodeAffinity": required}, tolerations=tolerations))
        await world.run(0.5)
        assert node_of(world, "picky") == "n2" and node_of(world, "allowed") == "n3"
        message = why(world, "barred")
        assert "1 node(s) had untolerated taint {gpu: yes}" in message
        assert "2 node(s) didn't match Pod's node affinity/selector" in message


async def test_anti_affinity_and_affinity_by_host() -> None:
    world = World()
    await world.setup(nodes=2)
    term = {"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "kubernetes.io/hostname"}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    async with world.running():
        for number in range(3):
            await world.user.create(PODS, pod(f"a-{number}", affinity={"podAntiAffinity": required}))
        await world.run(0.5)
        assert {node_of(world, "a-0"), node_of(world, "a-1")} == {"n1", "n2"}
        assert "2 node(s) didn't match pod anti-affinity rules" in why(world, "a-2")
        await world.user.create(
            PODS,
            pod(
                "b-0",
                affinity={
                    "podAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": [
                            {**term, "labelSelector": {"matchLabels": {"app": "none"}}}
                        ]
                    }
                },
            ),
        )
        await world.run(0.5)
        assert "2 node(s) didn't match pod affinity rules" in why(world, "b-0")


async def test_pods_spread_evenly_over_zones() -> None:
    world = World()
    await world.setup(nodes=0)
    for number in range(1, 5):
        await world.add_node(f"n{number}", zone="east" if number < 4 else "west")
    rule = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "s"}},
    }
    async with world.running():
        for number in range(6):
            await world.user.create(PODS, pod(f"s-{number}", topologySpreadConstraints=[rule]))
            await world.run(0.1)
        zones = ["west" if node_of(world, f"s-{number}") == "n4" else "east" for number in range(6)]
        assert sorted(zones) == ["east"] * 3 + ["west"] * 3


async def test_host_ports_are_not_given_twice() -> None:
    world = World()
    await world.setup(nodes=2)
    async with world.running():
        for number in range(3):
            wanted = pod(f"p-{number}")
            wanted["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 8080}]
            await world.user.create(PODS, wanted)
        await world.run(0.5)
        assert sorted(node_of(world, f"p-{number}") for number in range(3)) == ["", "n1", "n2"]


async def test_gates_hold_a_pod_until_the_last_is_gone() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(PODS, pod("one", schedulingGates=[{"name": "example.com/wait"}]))
        await world.run(5)
        scheduled = condition(world.get(PODS, "one"), "PodScheduled")
        assert node_of(world, "one") == "" and scheduled is not None and scheduled["reason"] == "SchedulingGated"
        await world.user.patch(PODS, "default", "one", {"spec": {"schedulingGates": None}})
        assert await world.until(lambda: node_of(world, "one") == "n1", 1)


async def test_the_important_take_the_place_of_the_unimportant() -> None:
    world = World()
    await world.setup(cpu="2")
    world.script = lambda pod: Behaviour(stop_s=1)
    async with world.running():
        await world.user.create(PODS, pod("low", cpu="1", priority=1))
        await world.user.create(PODS, pod("middle", cpu="1", priority=5))
        await world.run(1)
        await world.user.create(PODS, pod("high", cpu="1", priority=10))
        await world.run(0.2)
        assert world.get(PODS, "low")["metadata"].get("deletionTimestamp")
        assert world.get(PODS, "high")["status"]["nominatedNodeName"] == "n1"
        reasons = {each["type"]: each.get("reason") for each in world.get(PODS, "low")["status"]["conditions"]}
        assert reasons["DisruptionTarget"] == "PreemptionByScheduler"
        assert await world.until(lambda: node_of(world, "high") == "n1", 15)
        assert node_of(world, "middle") == "n1"
        assert "Preempted" in {each["reason"] for each in world.api.all(EVENTS)}


async def test_who_may_not_preempt_waits() -> None:
    world = World()
    await world.setup(cpu="1")
    async with world.running():
        await world.user.create(PODS, pod("low", cpu="1", priority=1))
        await world.run(1)
        await world.user.create(PODS, pod("high", cpu="1", priority=10, preemptionPolicy="Never"))
        await world.run(1)
        assert "not eligible due to preemptionPolicy=Never." in why(world, "high")
        assert not world.get(PODS, "low")["metadata"].get("deletionTimestamp")


async def test_a_pod_for_another_scheduler_is_left_alone() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(PODS, pod("one", schedulerName="mine"))
        await world.run(2)
        assert node_of(world, "one") == ""
