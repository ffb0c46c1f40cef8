"""What goes when its owner goes, in simulated time."""

from __future__ import annotations

from maru.core.client import DeleteOptions
from maru.core.document import Resource, Value
from maru.kinds.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS, REPLICASETS, SERVICEACCOUNTS
from tests.sim.world import World, deployment, roll_out


def config(name: str, *owners: Value, blocks: bool = False, kind: Resource = CONFIGMAPS) -> Value:
    references = [
        {
            "apiVersion": "v1",
            "kind": kind.kind,
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": blocks,
        }
        for owner in owners
    ]
    return {"metadata": {"name": name, "namespace": "default", "ownerReferences": references}}


async def test_a_deleted_deployment_takes_its_sets_and_pods_along() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment())
        assert await roll_out(world)
        await world.user.delete(DEPLOYMENTS, "default", "web")
        assert await world.until(lambda: not world.api.all(REPLICASETS) and not world.api.all(PODS), 5)


async def test_orphaned_replica_sets_stay_and_are_released() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment())
        assert await roll_out(world)
        await world.user.delete(DEPLOYMENTS, "default", "web", DeleteOptions(propagation="Orphan"))
        assert await world.until(lambda: not world.api.all(DEPLOYMENTS), 5)
        (left,) = world.api.all(REPLICASETS)
        assert not left["metadata"].get("ownerReferences")
        assert len(world.pods(app="web")) == 3


async def test_foreground_deletion_waits_for_the_pods() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment())
        assert await roll_out(world)
        await world.user.delete(DEPLOYMENTS, "default", "web", DeleteOptions(propagation="Foreground"))
        await world.run(0.01)
        assert world.get(DEPLOYMENTS, "web")["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert await world.until(lambda: not world.api.all(DEPLOYMENTS), 5)
        assert not world.api.all(REPLICASETS) and not world.api.all(PODS)


async def test_a_dependent_goes_only_with_its_last_owner() -> None:
    world = World()
    await world.setup()
    async with world.running():
        one = await world.user.create(CONFIGMAPS, config("one"))
        two = await world.user.create(CONFIGMAPS, config("two"))
        await world.user.create(CONFIGMAPS, config("child", one, two))
        await world.user.delete(CONFIGMAPS, "default", "one")
        await world.run(1)
        references = world.get(CONFIGMAPS, "child")["metadata"]["ownerReferences"]
        assert [each["name"] for each in references] == ["two"]
        await world.user.delete(CONFIGMAPS, "default", "two")
        assert await world.until(lambda: world.api.find(CONFIGMAPS, "default", "child") is None, 2)


async def test_a_dependent_of_something_that_never_was_goes() -> None:
    world = World()
    await world.setup()
    async with world.running():
        ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000000"}}
        await world.user.create(CONFIGMAPS, config("child", ghost))
        assert await world.until(lambda: world.api.find(CONFIGMAPS, "default", "child") is None, 2)


async def test_owners_deleted_while_the_control_plane_was_down_are_noticed() -> None:
    world = World()
    await world.setup()
    async with world.running():
        one = await world.user.create(CONFIGMAPS, config("one"))
        await world.user.create(CONFIGMAPS, config("child", one))
        await world.run(1)
    await world.api.remove(CONFIGMAPS, "default", "one")
    async with world.running():
        assert await world.until(lambda: world.api.find(CONFIGMAPS, "default", "child") is None, 2)


async def test_a_circle_of_owners_can_be_deleted_in_the_foreground() -> None:
    world = World()
    await world.setup()
    async with world.running():
        one = await world.user.create(CONFIGMAPS, config("one"))
        two = await world.user.create(CONFIGMAPS, config("two", one, blocks=True))
        await world.user.patch(CONFIGMAPS, "default", "one", config("one", two, blocks=True))
        await world.user.delete(CONFIGMAPS, "default", "one", DeleteOptions(propagation="Foreground"))
        names = ("one", "two")
        assert await world.until(lambda: all(world.api.find(CONFIGMAPS, "default", name) is None for name in names), 5)


async def test_a_deleted_namespace_is_emptied_and_goes() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(DEPLOYMENTS, deployment())
        await world.user.create(CONFIGMAPS, config("one"))
        assert await roll_out(world)
        await world.user.delete(NAMESPACES, "", "default")
        assert await world.until(lambda: not world.api.all(NAMESPACES), 10)
        assert not world.api.all(PODS) and not world.api.all(CONFIGMAPS) and not world.api.all(DEPLOYMENTS)


async def test_a_namespace_says_what_it_waits_for() -> None:
    world = World()
    await world.setup()
    async with world.running():
        held = config("one")
        held["metadata"]["finalizers"] = ["example.com/hold"]
        await world.user.create(CONFIGMAPS, held)
        await world.user.delete(NAMESPACES, "", "default")
        await world.run(3)
        conditions = {e["type"]: e for e in world.get(NAMESPACES, "default")["status"]["conditions"]}
        assert conditions["NamespaceContentRemaining"]["reason"] == "SomeResourcesRemain"
        assert "example.com/hold in 1 resource instances" in conditions["NamespaceFinalizersRemaining"]["message"]
        await world.user.patch(CONFIGMAPS, "default", "one", {"metadata": {"finalizers": None}})
        assert await world.until(lambda: not world.api.all(NAMESPACES), 10)


async def test_every_namespace_has_its_default_service_account() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(NAMESPACES, {"metadata": {"name": "blue"}, "spec": {"finalizers": ["kubernetes"]}})
        await world.run(0.1)
        await world.user.delete(SERVICEACCOUNTS, "blue", "default")
        await world.run(0.1)
        assert [each["metadata"]["namespace"] for each in world.api.all(SERVICEACCOUNTS)] == ["blue", "default"]
