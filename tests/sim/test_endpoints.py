"""Endpoints and EndpointSlices follow Pods, in simulated time."""

from __future__ import annotations

from maru.core.document import Value
from maru.kinds.resources import DEPLOYMENTS, ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES
from tests.sim.kubelet import Behaviour
from tests.sim.world import World, deployment, roll_out


def service(name: str = "web", **spec: object) -> Value:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"team": "a"}},
        "spec": {"selector": {"app": "web"}, "ports": ports, "clusterIP": "10.96.0.7", **spec},
    }


def addresses(world: World, name: str = "web") -> list[tuple[str, bool, bool]]:
    return sorted(
        (entry["addresses"][0], entry["conditions"]["ready"], entry["conditions"].get("terminating", False))
        for each in world.api.all(ENDPOINTSLICES)
        if each["metadata"]["labels"]["kubernetes.io/service-name"] == name
        for entry in each["endpoints"]
    )


async def test_ready_pods_stand_behind_their_service() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(SERVICES, service())
        await world.user.create(DEPLOYMENTS, deployment())
        assert await roll_out(world)
        await world.run(0.1)
        (endpoints,) = world.api.all(ENDPOINTS)
        (subset,) = endpoints["subsets"]
        assert len(subset["addresses"]) == 3 and subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
        assert subset["addresses"][0]["targetRef"]["kind"] == "Pod" and subset["addresses"][0]["nodeName"] == "n1"
        (piece,) = world.api.all(ENDPOINTSLICES)
        assert piece["metadata"]["labels"] == {
            "team": "a",
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        assert [ready for _, ready, _ in addresses(world)] == [True] * 3
        assert piece["metadata"]["ownerReferences"][0]["kind"] == "Service"


async def test_a_pod_that_stops_is_terminating_and_no_longer_ready() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(stop_s=5)
    async with world.running():
        await world.user.create(SERVICES, service())
        await world.user.create(DEPLOYMENTS, deployment(replicas=1))
        assert await roll_out(world)
        await world.user.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 0}})
        await world.run(1)
        assert [flags for _, *flags in addresses(world)] == [[False, True]]
        assert not world.get(ENDPOINTS, "web").get("subsets")
        await world.run(6)
        assert addresses(world) == []


async def test_pods_that_are_not_ready_are_listed_apart_unless_all_are_published() -> None:
    world = World()
    await world.setup()
    world.script = lambda pod: Behaviour(is_ready=False)
    async with world.running():
        await world.user.create(SERVICES, service())
        await world.user.create(SERVICES, service("all", publishNotReadyAddresses=True, clusterIP="None"))
        await world.user.create(DEPLOYMENTS, deployment(replicas=1))
        await world.run(2)
        assert "notReadyAddresses" in world.get(ENDPOINTS, "web")["subsets"][0]
        assert "addresses" in world.get(ENDPOINTS, "all")["subsets"][0]
        assert world.get(ENDPOINTS, "all")["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
        assert [ready for _, ready, _ in addresses(world, "web")] == [False]
        assert [ready for _, ready, _ in addresses(world, "all")] == [True]


async def test_named_ports_lead_to_what_each_pod_calls_so() -> None:
    world = World()
    await world.setup()
    async with world.running():
        ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
        await world.user.create(SERVICES, service(ports=ports))
        for name, number in (("a", 8001), ("b", 8002)):
            container = {"name": "main", "image": "x", "ports": [{"name": "web", "containerPort": number}]}
            await world.user.create(
                PODS,
                {
                    "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
                    "spec": {"containers": [container]},
                },
            )
        await world.run(2)
        assert sorted(each["ports"][0]["port"] for each in world.api.all(ENDPOINTSLICES)) == [8001, 8002]
        assert len(world.get(ENDPOINTS, "web")["subsets"]) == 2


async def test_endpoints_made_by_hand_are_mirrored_and_stay() -> None:
    world = World()
    await world.setup()
    async with world.running():
        wanted = service("db")
        del wanted["spec"]["selector"]
        await world.user.create(SERVICES, wanted)
        subset = {"addresses": [{"ip": "192.0.2.7"}], "ports": [{"port": 5432, "protocol": "TCP"}]}
        await world.user.create(ENDPOINTS, {"metadata": {"name": "db", "namespace": "default"}, "subsets": [subset]})
        await world.run(0.5)
        assert addresses(world, "db") == [("192.0.2.7", True, False)]
        (piece,) = world.api.all(ENDPOINTSLICES)
        manager = piece["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
        assert manager == "endpointslicemirroring-controller.k8s.io"
        await world.user.delete(ENDPOINTS, "default", "db")
        await world.run(0.5)
        assert addresses(world, "db") == []


async def test_a_deleted_service_takes_its_endpoints_along() -> None:
    world = World()
    await world.setup()
    async with world.running():
        await world.user.create(SERVICES, service())
        await world.run(0.5)
        assert world.api.all(ENDPOINTS) and world.api.all(ENDPOINTSLICES)
        await world.user.delete(SERVICES, "default", "web")
        await world.run(0.5)
        assert not world.api.all(ENDPOINTS) and not world.api.all(ENDPOINTSLICES)
