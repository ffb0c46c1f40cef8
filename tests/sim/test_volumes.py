"""Volumes and claims, in simulated time."""

from __future__ import annotations

from pathlib import Path

from maru.components.workloads.controllers.volumes import Volumes
from maru.core.document import Value
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from tests.sim.mutants import replaced
from tests.sim.world import SITE, World


def claim(name: str, size: str = "1Gi", storage_class: str = "", **spec: object) -> Value:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": storage_class,
            **spec,
        },
    }


def volume(name: str, size: str, **spec: object) -> Value:
    return {
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": size},
            "hostPath": {"path": f"/x/{name}"},
            "persistentVolumeReclaimPolicy": "Retain",
            **spec,
        },
    }


def phase(world: World, name: str) -> str:
    return str(world.get(PERSISTENTVOLUMECLAIMS, name).get("status", {}).get("phase", ""))


async def test_a_claim_gets_the_smallest_volume_that_will_do() -> None:
    world = World()
    await world.setup()
    async with world.running():
        for name, size in (("small", "500Mi"), ("right", "2Gi"), ("large", "9Gi")):
            await world.user.create(PERSISTENTVOLUMES, volume(name, size))
        await world.user.create(PERSISTENTVOLUMECLAIMS, claim("data"))
        await world.run(1)
        bound = world.get(PERSISTENTVOLUMECLAIMS, "data")
        assert bound["spec"]["volumeName"] == "right" and bound["status"]["phase"] == "Bound"
        assert bound["status"]["capacity"] == {"storage": "2Gi"}
        phases = {each["metadata"]["name"]: each["status"]["phase"] for each in world.api.all(PERSISTENTVOLUMES)}
        assert phases == {"small": "Available", "right": "Bound", "large": "Available"}
        await world.user.delete(PERSISTENTVOLUMECLAIMS, "default", "data")
        await world.run(1)
        assert world.get(PERSISTENTVOLUMES, "right")["status"]["phase"] == "Released"


async def test_a_claim_without_a_volume_waits_for_one() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(PERSISTENTVOLUMECLAIMS, claim("data"))
        await world.run(1)
        assert phase(world, "data") == "Pending"
        await world.user.create(PERSISTENTVOLUMES, volume("late", "1Gi"))
        await world.run(1)
        assert phase(world, "data") == "Bound"


async def test_a_pod_with_a_claim_of_the_built_in_class_gets_a_folder_of_its_node() -> None:
    world = World()
    await world.setup()
    removed: list[str] = []

    async def remove(below: Path, path: Path) -> None:
        removed.append(path.name)

    async with world.running(replaced(Volumes, lambda kit: Volumes(kit, SITE, remove))):
        await world.run(0.1)
        (standard,) = world.api.all(STORAGECLASSES)
        assert standard["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
        await world.user.create(PERSISTENTVOLUMECLAIMS, claim("data", storage_class="standard"))
        await world.run(1)
        assert phase(world, "data") == "Pending" and not world.api.all(PERSISTENTVOLUMES)
        volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
        spec = {"containers": [{"name": "a", "image": "a"}], "volumes": volumes}
        await world.user.create(PODS, {"metadata": {"name": "one", "namespace": "default"}, "spec": spec})
        assert await world.until(lambda: bool(world.get(PODS, "one")["spec"].get("nodeName")), 0.5)
        (made,) = world.api.all(PERSISTENTVOLUMES)
        assert phase(world, "data") == "Bound" and made["status"]["phase"] == "Bound"
        (term,) = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert term["matchExpressions"][0]["values"] == [world.get(PODS, "one")["spec"]["nodeName"]]
        await world.user.delete(PODS, "default", "one")
        await world.user.delete(PERSISTENTVOLUMECLAIMS, "default", "data")
        assert await world.until(lambda: not world.api.all(PERSISTENTVOLUMES), 5)
        assert removed == [made["metadata"]["name"]]


async def test_a_settled_binder_writes_nothing() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(PERSISTENTVOLUMES, volume("one", "1Gi"))
        await world.user.create(PERSISTENTVOLUMECLAIMS, claim("data"))
        await world.run(5)
        before = len(world.writes())
        await world.run(300)
        assert world.writes()[before:] == []


async def test_a_claim_in_use_is_deleted_only_when_its_pod_has_ended() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(PERSISTENTVOLUMES, volume("one", "1Gi"))
        wanted = claim("data")
        wanted["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
        await world.user.create(PERSISTENTVOLUMECLAIMS, wanted)
        volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
        spec = {"containers": [{"name": "a", "image": "a"}], "volumes": volumes}
        await world.user.create(PODS, {"metadata": {"name": "one", "namespace": "default"}, "spec": spec})
        await world.run(2)
        await world.user.delete(PERSISTENTVOLUMECLAIMS, "default", "data")
        await world.run(5)
        assert world.api.all(PERSISTENTVOLUMECLAIMS)
        await world.user.delete(PODS, "default", "one")
        assert await world.until(lambda: not world.api.all(PERSISTENTVOLUMECLAIMS), 5)
