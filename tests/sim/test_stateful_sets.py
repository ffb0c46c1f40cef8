"""StatefulSets in simulated time."""

from __future__ import annotations

from maru.core.document import Value
from maru.kinds.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, STATEFULSETS
from tests.sim.kubelet import Behaviour
from tests.sim.world import World, is_ready, template


def stateful_set(replicas: int = 3, image: str = "db:1", **spec: object) -> Value:
    return {
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": template("db", image),
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "revisionHistoryLimit": 10,
            **spec,
        },
    }


def images(world: World) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in world.pods(app="db")}


def names(world: World) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in world.pods(app="db"))


def is_settled(world: World, replicas: int = 3) -> bool:
    status = world.get(STATEFULSETS, "db").get("status", {})
    return (
        status.get("readyReplicas", 0) == status.get("updatedReplicas", 0) == status["replicas"] == replicas
        and status["currentRevision"] == status["updateRevision"]
    )


async def test_pods_come_one_by_one_with_their_names_and_claims() -> None:
    world = World()
    await world.setup()
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    wanted = stateful_set(volumeClaimTemplates=[claim])
    for pvc in range(3):  # bound volumes, so that the scheduler lets the Pods go
        name = f"data-db-{pvc}"
        await world.api.put(
            PERSISTENTVOLUMECLAIMS,
            {
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"volumeName": "v"},
                "status": {"phase": "Bound"},
            },
        )
    async with world.running():
        await world.user.create(STATEFULSETS, wanted)
        await world.run(0.1)
        assert names(world) == ["db-0"]
        assert await world.until(lambda: len(names(world)) == 2, 5)
        assert is_ready(world.pods(**{"apps.kubernetes.io/pod-index": "0"})[0])
        assert await world.until(lambda: is_settled(world), 10)
        pod = world.pods(**{"statefulset.kubernetes.io/pod-name": "db-2"})[0]
        assert pod["spec"]["hostname"] == "db-2" and pod["spec"]["subdomain"] == "db"
        assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "data-db-2"


async def test_claims_are_made_for_every_ordinal() -> None:
    world = World()
    await world.setup()
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    async with world.running():
        await world.user.create(
            STATEFULSETS, stateful_set(volumeClaimTemplates=[claim], podManagementPolicy="Parallel")
        )
        await world.run(0.2)
        made = [each["metadata"]["name"] for each in world.api.all(PERSISTENTVOLUMECLAIMS)]
        assert made == ["data-db-0", "data-db-1", "data-db-2"]


async def test_an_update_goes_down_to_the_partition() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(STATEFULSETS, stateful_set())
        assert await world.until(lambda: is_settled(world), 10)
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
        await world.change(STATEFULSETS, "db", template=template("db", "db:2"), updateStrategy=strategy)
        await world.run(20)
        assert images(world) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
        await world.change(
            STATEFULSETS, "db", updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
        )
        assert await world.until(lambda: is_settled(world), 20)
        assert set(images(world).values()) == {"db:2"}
        assert [each["revision"] for each in world.api.all(CONTROLLERREVISIONS)].count(2) == 1


async def test_scaling_down_takes_the_highest_first_and_one_at_a_time() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(stop_s=2)
    async with world.running():
        await world.user.create(STATEFULSETS, stateful_set())
        assert await world.until(lambda: is_settled(world), 10)
        await world.change(STATEFULSETS, "db", replicas=1)
        await world.run(1)
        going = [p["metadata"]["name"] for p in world.pods(app="db") if p["metadata"].get("deletionTimestamp")]
        assert going == ["db-2"]
        assert await world.until(lambda: names(world) == ["db-0"], 10)


async def test_going_back_to_an_old_template_reuses_its_revision() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(STATEFULSETS, stateful_set())
        assert await world.until(lambda: is_settled(world), 10)
        first = world.get(STATEFULSETS, "db")["status"]["currentRevision"]
        await world.change(STATEFULSETS, "db", template=template("db", "db:2"))
        await world.run(0.1)
        assert await world.until(lambda: is_settled(world), 20)
        await world.change(STATEFULSETS, "db", template=template("db", "db:1"))
        await world.run(0.1)
        assert await world.until(lambda: is_settled(world), 20)
        assert world.get(STATEFULSETS, "db")["status"]["currentRevision"] == first
        assert sorted(each["revision"] for each in world.api.all(CONTROLLERREVISIONS)) == [2, 3]
