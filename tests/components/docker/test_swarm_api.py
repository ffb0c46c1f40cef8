"""Swarm mode over the Engine API, on fakes of everything: what is kept, what is told, what survives a restart."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from maru.components.docker import component
from maru.components.docker.model.swarm.definitions import SECRETS, SERVICES, TASKS
from maru.core.errors import Unavailable
from tests.components.docker.conftest import House, session_of

WAIT_S = 5.0


async def until(claim: Callable[[], Awaitable[Any]]) -> Any:
    """The first true answer."""
    async with asyncio.timeout(WAIT_S):
        while not (seen := await claim()):
            await asyncio.sleep(0)
    return seen


class Api:
    """The Engine API as a client sees it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.session.get(path) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        async with self.session.post(path, json=body if body is not None else {}) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return await answer.json() if text else None

    async def delete(self, path: str, status: int = 200) -> Any:
        async with self.session.delete(path) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else None

    async def running(self, service: str, count: int) -> Any:
        """The tasks of a service once so many run."""

        async def claim() -> Any:
            tasks = await self.get(f'/tasks?filters={{"service":["{service}"],"desired-state":["running"]}}')
            return tasks if sum(task["Status"]["State"] == "running" for task in tasks) == count == len(tasks) else None

        return await until(claim)


def service(name: str = "web", replicas: int = 2, **more: Any) -> dict[str, Any]:
    container = {"Image": "busybox", "Args": ["sleep", "9"], **more.pop("container", {})}
    template = {"ContainerSpec": container, "RestartPolicy": {"Delay": 0}, **more.pop("template", {})}
    return {"Name": name, "TaskTemplate": template, "Mode": {"Replicated": {"Replicas": replicas}}, **more}


@pytest.fixture
async def api(house: House) -> AsyncIterator[Api]:
    async with component.open(house.needs()), session_of(house.site) as session:
        made = Api(session)
        await made.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
        yield made
    await component.tear_down(house.site)


async def test_a_swarm_is_made_described_and_left(house: House) -> None:
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        assert (await api.get("/info"))["Swarm"]["LocalNodeState"] == "inactive"
        assert "not a swarm manager" in (await api.get("/services", 503))["message"]
        node_id = await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
        assert "already part of a swarm" in (await api.post("/swarm/init", {}, 503))["message"]
        info = (await api.get("/info"))["Swarm"]
        assert (info["NodeID"], info["LocalNodeState"], info["Managers"]) == (node_id, "active", 1)
        (node,) = await api.get("/nodes")
        assert (node["ID"], node["ManagerStatus"]["Leader"]) == (node_id, True)
        assert (await api.get("/networks/ingress"))["Ingress"] is True
        assert "last manager" in (await api.post("/swarm/leave", {}, 503))["message"]
        await api.post("/swarm/leave?force=1")
        await api.get("/networks/ingress", 404)
        assert (await api.get("/info"))["Swarm"]["LocalNodeState"] == "inactive"
        await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})


async def test_tasks_are_containers_that_docker_knows(api: Api) -> None:
    made = await api.post("/services/create", service(), 201)
    tasks = await api.running("web", 2)
    containers = await api.get("/containers/json")
    assert {each["Names"][0] for each in containers} == {f"/web.{task['Slot']}.{task['ID']}" for task in tasks}
    assert {each["Labels"]["com.docker.swarm.service.id"] for each in containers} == {made["ID"]}
    assert {task["Status"]["ContainerStatus"]["ContainerID"] for task in tasks} == {each["Id"] for each in containers}
    shown = (await api.get("/services?status=true"))[0]
    assert shown["ServiceStatus"] == {"RunningTasks": 2, "DesiredTasks": 2, "CompletedTasks": 0}


async def test_an_update_names_the_version_it_saw(api: Api) -> None:
    made = await api.post("/services/create", service(replicas=1), 201)
    await api.running("web", 1)
    seen = await api.get(f"/services/{made['ID']}")
    index = seen["Version"]["Index"]
    changed = service(replicas=3)
    await api.post(f"/services/web/update?version={index}", changed)
    assert (
        "update out of sequence" in (await api.post(f"/services/web/update?version={index}", changed, 500))["message"]
    )
    await api.running("web", 3)
    assert (await api.get("/services/web"))["PreviousSpec"]["Mode"] == {"Replicated": {"Replicas": 1}}
    await api.post("/services/web/update", changed, 400)


async def test_a_container_that_somebody_kills_is_replaced(api: Api) -> None:
    await api.post("/services/create", service(replicas=1), 201)
    (task,) = await api.running("web", 1)
    await api.post(f"/containers/{task['Status']['ContainerStatus']['ContainerID']}/kill", status=204)

    async def replaced() -> Any:
        tasks = await api.get('/tasks?filters={"service":["web"]}')
        return len(tasks) == 2 and any(each["Status"]["State"] == "running" for each in tasks)

    await until(replaced)
    failed = next(each for each in await api.get("/tasks") if each["ID"] == task["ID"])
    assert failed["Status"]["State"] == "failed"
    assert failed["Status"]["Err"].startswith("task: non-zero exit (")


async def test_what_no_node_suits_waits_and_says_why(api: Api) -> None:
    placement = {"Placement": {"Constraints": ["node.labels.zone==a"]}}
    await api.post("/services/create", service(replicas=1, template=placement), 201)

    async def waiting() -> Any:
        (task,) = await api.get("/tasks")
        return task["Status"].get("Err")

    assert await until(waiting) == "no suitable node (scheduling constraints not satisfied on 1 node)"
    (node,) = await api.get("/nodes")
    spec = {**node["Spec"], "Labels": {"zone": "a"}}
    await api.post(f"/nodes/{node['ID']}/update?version={node['Version']['Index']}", spec)
    await api.running("web", 1)


async def test_secrets_are_sealed_in_the_store_and_never_shown(api: Api, house: House) -> None:
    data = base64.b64encode(b"very secret").decode()
    made = await api.post("/secrets/create", {"Name": "s", "Data": data, "Labels": {"a": "b"}}, 201)
    assert "Data" not in (await api.get("/secrets/s"))["Spec"]
    assert "already exists" in (await api.post("/secrets/create", {"Name": "s", "Data": data}, 409))["message"]
    client = house.clients.acting_as("test")
    stored = str((await client.list(SECRETS)).documents[0].value)
    assert data not in stored
    assert "very secret" not in stored
    reference = {"SecretID": made["ID"], "SecretName": "s", "File": {"Name": "s", "UID": "0", "GID": "0", "Mode": 292}}
    await api.post("/services/create", service("user", 0, container={"Secrets": [reference]}), 201)
    assert "in use by the following service: user" in (await api.delete("/secrets/s", 400))["message"]
    await api.delete("/services/user")
    await api.delete("/secrets/s", 204)
    config = base64.b64encode(b"plain").decode()
    await api.post("/configs/create", {"Name": "c", "Data": config}, 201)
    assert (await api.get("/configs/c"))["Spec"]["Data"] == config
    await api.post("/configs/create", {"Name": "c2", "Data": ""}, 400)


async def test_environments_of_services_and_tasks_are_sealed_in_their_documents(house: House) -> None:
    client = house.clients.acting_as("test")

    async def stored() -> str:
        return str([[each.value for each in (await client.list(kind)).documents] for kind in (SERVICES, TASKS)])

    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
        await api.post("/services/create", service(replicas=1, container={"Env": ["PASSWORD=geheim"]}), 201)
        (task,) = await api.running("web", 1)
        assert task["Spec"]["ContainerSpec"]["Env"] == ["PASSWORD=geheim"]
        container = task["Status"]["ContainerStatus"]["ContainerID"]
        assert "PASSWORD=geheim" in (await api.get(f"/containers/{container}/json"))["Config"]["Env"]
        seen = await api.get("/services/web")
        changed = service(replicas=1, container={"Env": ["PASSWORD=anders"]})
        await api.post(f"/services/web/update?version={seen['Version']['Index']}", changed)
        seen = await api.get("/services/web")
        assert seen["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["PASSWORD=geheim"]
        assert not [each for each in ("geheim", "anders") if each in await stored()]
        spec = {"TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Args": ["sleep", "9"], "Env": ["A=by hand"]}}}
        head = {"apiVersion": SERVICES.api_version, "kind": SERVICES.kind, "metadata": {"name": "by-hand"}}
        await client.create(SERVICES, head | {"spec": spec})
        (task,) = await api.running("by-hand", 1)
        assert task["Spec"]["ContainerSpec"]["Env"] == ["A=by hand"]
    house.restart()
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        assert (await api.running("by-hand", 1))[0]["ID"] == task["ID"]
        assert "by hand" not in await stored()
        index = (await api.get("/services/web"))["Version"]["Index"]
        await api.post(f"/services/web/update?version={index}&rollback=previous", {})
        shown = (await api.get("/services/web"))["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
        assert shown == ["PASSWORD=geheim"]
    (house.site.folder("docker") / "environment.key").write_bytes(bytes(32))
    house.restart()
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        index = (await api.get("/services/by-hand"))["Version"]["Index"]
        body = {"Name": "by-hand", **spec, "Mode": {"Replicated": {"Replicas": 2}}}
        body["TaskTemplate"] = (await api.get("/services/by-hand"))["Spec"]["TaskTemplate"]
        await api.post(f"/services/by-hand/update?version={index}", body)

        async def refused() -> Any:
            tasks = await api.get('/tasks?filters={"service":["by-hand"]}')
            return [task for task in tasks if "environment of the task" in (task["Status"].get("Err") or "")]

        await until(refused)
    await component.tear_down(house.site)


async def test_names_and_references_are_checked(api: Api) -> None:
    await api.post("/services/create", service("one", 0), 201)
    conflict = await api.post("/services/create", service("ONE", 0), 409)
    assert "name conflicts with an existing object" in conflict["message"]
    missing = {"Secrets": [{"SecretID": "nosuch", "SecretName": "x"}]}
    assert (
        "secret not found: nosuch"
        in (await api.post("/services/create", service("b", 0, container=missing), 400))["message"]
    )
    network = service("c", 0, template={"Networks": [{"Target": "nosuch"}]})
    assert (await api.post("/services/create", network, 404))["message"] == "network nosuch not found"
    assert (await api.get("/services/nosuch", 404))["message"] == "service nosuch not found"
    assert (await api.get("/nodes/nosuch", 404))["message"] == "node nosuch not found"


async def test_services_have_addresses_on_their_networks_and_ports_of_their_own(api: Api, house: House) -> None:
    made = await api.post("/networks/create", {"Name": "front", "Driver": "overlay"}, 201)
    shown = await api.get("/networks/front")
    assert (shown["Driver"], shown["Scope"], shown["Attachable"]) == ("overlay", "swarm", False)
    assert shown["Options"]["com.docker.network.driver.overlay.vxlanid_list"].isdigit()
    refused = await api.post("/containers/create", {"Image": "busybox", "HostConfig": {"NetworkMode": "front"}}, 403)
    assert "not manually attachable" in refused["message"]
    networks = {"Networks": [{"Target": "front"}]}
    ports = {"EndpointSpec": {"Mode": "vip", "Ports": [{"TargetPort": 80, "Protocol": "tcp"}]}}
    await api.post("/services/create", service(replicas=1, template=networks, **ports), 201)
    endpoint = (await api.get("/services/web"))["Endpoint"]
    assert endpoint["Ports"][0]["PublishedPort"] == 30000
    assert {each["NetworkID"] for each in endpoint["VirtualIPs"]} == {
        made["Id"],
        (await api.get("/networks/ingress"))["Id"],
    }
    await api.running("web", 1)
    refused = await api.delete("/networks/front", 400)
    assert "is in use by service" in refused["message"]
    await api.delete("/services/web")
    await api.delete("/networks/front", 204)


async def test_events_tell_of_services(api: Api) -> None:
    await api.post("/services/create", service("told", 0), 201)
    await api.delete("/services/told")
    async with api.session.get('/events?since=1&until=9999999999&filters={"type":["service"]}') as answer:
        lines = [await answer.content.readline(), await answer.content.readline()]
    assert [b'"create"' in lines[0], b'"remove"' in lines[1]] == [True, True]
    assert b'"scope":"swarm"' in lines[0]


async def test_a_restart_finds_its_swarm_and_its_tasks_running(house: House) -> None:
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        node_id = await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
        await api.post("/services/create", service(replicas=2), 201)
        before = {task["ID"] for task in await api.running("web", 2)}
    house.restart()
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        assert (await api.get("/info"))["Swarm"]["NodeID"] == node_id
        assert {task["ID"] for task in await api.running("web", 2)} == before
    await component.tear_down(house.site)


async def test_a_locked_swarm_waits_for_its_key_after_a_restart(house: House) -> None:
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        await api.post(
            "/swarm/init", {"AdvertiseAddr": "127.0.0.1", "Spec": {"EncryptionConfig": {"AutoLockManagers": True}}}
        )
        key = (await api.get("/swarm/unlockkey"))["UnlockKey"]
        await api.post("/swarm/unlock", {"UnlockKey": key}, 409)
    house.restart()
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        assert (await api.get("/info"))["Swarm"]["LocalNodeState"] == "locked"
        assert "needs to be unlocked" in (await api.get("/services", 503))["message"]
        await api.post("/swarm/unlock", {"UnlockKey": "SWMKEY-1-wrong"}, 400)
        await api.post("/swarm/unlock", {"UnlockKey": key})
        assert await api.get("/services") == []


async def test_a_service_whose_document_is_deleted_goes(api: Api, house: House) -> None:
    made = await api.post("/services/create", service(replicas=1), 201)
    await api.running("web", 1)
    await house.clients.acting_as("test").delete(SERVICES, "", made["ID"])

    async def gone() -> Any:
        return not await api.get("/tasks") and not await api.get("/containers/json?all=1")

    await until(gone)
    assert await gone()


async def test_another_nodes_swarm_is_not_joined(house: House) -> None:
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        body = {"RemoteAddrs": ["127.0.0.1:2377"], "JoinToken": "SWMTKN-1-a-b"}
        assert "not supported by Maru" in (await api.post("/swarm/join", body, 501))["message"]
        assert (await api.post("/swarm/leave", {}, 503))["message"] == "This node is not part of a swarm"


async def test_a_service_written_by_hand_runs_and_a_wrong_one_says_so(api: Api, house: House) -> None:
    client = house.clients.acting_as("test")
    good = {"TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Args": ["sleep", "9"]}}}
    bodies = {
        "by-hand": good,
        "wrong": {"TaskTemplate": {"ContainerSpec": {"Image": "busybox"}}, "Mode": 7},
        "worse": {},
    }
    for name, spec in bodies.items():
        document = {"apiVersion": SERVICES.api_version, "kind": SERVICES.kind, "metadata": {"name": name}, "spec": spec}
        await client.create(SERVICES, document)
    await api.running("by-hand", 1)
    assert (await api.get("/services/by-hand"))["Endpoint"] == {"Spec": {}}

    async def told() -> Any:
        return [(await client.get(SERVICES, "", name)).get("status", {}).get("message") for name in ("wrong", "worse")]

    messages = await until(lambda: _all(told))
    assert all(str(each).startswith("rpc error: code = InvalidArgument") for each in messages)
    assert len(await api.get("/services?status=1")) == 3
    await client.patch(SERVICES, "", "by-hand", {"spec": {"Mode": {"Replicated": {"Replicas": 3}}}})
    await api.running("by-hand", 3)


async def _all(claim: Callable[[], Awaitable[Any]]) -> Any:
    seen = await claim()
    return seen if all(seen) else None


async def test_a_network_that_a_service_has_is_not_pruned(api: Api) -> None:
    await api.post("/networks/create", {"Name": "front", "Driver": "overlay"}, 201)
    await api.post("/services/create", service("idle", 0, template={"Networks": [{"Target": "front"}]}), 201)
    assert (await api.post("/networks/prune"))["NetworksDeleted"] is None
    await api.delete("/services/idle")
    assert (await api.post("/networks/prune"))["NetworksDeleted"] == ["front"]


async def test_a_swarm_is_left_with_all_that_runs_in_it(house: House) -> None:
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
        await api.post("/networks/create", {"Name": "front", "Driver": "overlay"}, 201)
        more = {"EndpointSpec": {"Ports": [{"TargetPort": 80}]}, "template": {"Networks": [{"Target": "front"}]}}
        await api.post("/services/create", service(replicas=2, **more), 201)
        await api.running("web", 2)
        await api.post("/swarm/leave?force=1")
        assert await api.get("/containers/json?all=1") == []
        assert {each["Driver"] for each in await api.get("/networks")} == {"bridge", "host", "null"}
        assert house.clients.all(SERVICES) == []


async def test_an_attempt_that_is_broken_off_leaves_no_swarm(house: House) -> None:
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
        await api.post("/swarm/leave?force=1")
        house.clients.fail_next(Unavailable(what="the store", why="it is away"))
        await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"}, 503)
        assert (await api.get("/info"))["Swarm"]["LocalNodeState"] == "inactive"
        await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
        assert len(await api.get("/nodes")) == 1


async def test_a_task_whose_container_somebody_removes_is_replaced(api: Api) -> None:
    await api.post("/services/create", service(replicas=1), 201)
    (task,) = await api.running("web", 1)
    container = task["Status"]["ContainerStatus"]["ContainerID"]
    await api.delete(f"/containers/{container}?force=1", 204)

    async def replaced() -> Any:
        tasks = await api.get('/tasks?filters={"service":["web"]}')
        return len(tasks) == 2 and any(each["Status"]["State"] == "running" for each in tasks)

    await until(replaced)
    failed = next(each for each in await api.get("/tasks") if each["ID"] == task["ID"])
    assert failed["Status"]["State"] == "failed"


async def test_replicas_made_at_once_still_count_against_each_other(api: Api) -> None:
    await api.post("/services/create", service(replicas=3, template={"Placement": {"MaxReplicas": 1}}), 201)

    async def waiting() -> Any:
        errors = [task["Status"].get("Err") for task in await api.get("/tasks")]
        return errors if errors.count("no suitable node (max replicas per node limit exceed)") == 2 else None

    await until(waiting)
    ports = {"EndpointSpec": {"Ports": [{"TargetPort": 80, "PublishedPort": 18077, "PublishMode": "host"}]}}
    await api.post("/services/create", service("ports", 2, **ports), 201)

    async def taken() -> Any:
        tasks = await api.get('/tasks?filters={"service":["ports"]}')
        return any("host-mode port already in use" in (task["Status"].get("Err") or "") for task in tasks)

    await until(taken)
    assert await taken()


async def test_a_lost_key_takes_the_swarm_and_not_the_containers(house: House) -> None:
    async with component.open(house.needs()), session_of(house.site) as session:
        await Api(session).post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
    (house.site.folder("docker") / "swarm" / "root.key").unlink()
    house.restart()
    async with component.open(house.needs()), session_of(house.site) as session:
        api = Api(session)
        info = (await api.get("/info"))["Swarm"]
        assert info["LocalNodeState"] == "error"
        assert "restore it from a backup" in info["Error"]
        assert "cannot be used" in (await api.get("/services", 503))["message"]
        assert await api.get("/containers/json") == []
        await api.post("/swarm/leave?force=1")
        await api.post("/swarm/init", {"AdvertiseAddr": "127.0.0.1"})
