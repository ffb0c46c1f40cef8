"""Containers over the API, on fakes: their life, their documents, and what a restart of Maru finds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from maru.components.docker import component
from maru.components.docker.model.definitions import CONTAINERS, VOLUMES
from maru.wire.docker.frames import FrameReader
from tests.components.docker.conftest import House, session_of

HOST = {"HostConfig": {"NetworkMode": "host"}}


async def create(docker: aiohttp.ClientSession, *command: str, name: str = "", **body: Any) -> str:
    asked = {"Image": "busybox", "Cmd": list(command), **HOST, **body}
    async with docker.post("/containers/create", params={"name": name} if name else {}, json=asked) as response:
        answer = await response.json()
        assert response.status == 201, answer
        return str(answer["Id"])


async def call(docker: aiohttp.ClientSession, method: str, path: str, status: int, **more: Any) -> Any:
    async with docker.request(method, path, **more) as response:
        text = await response.text()
        assert response.status == status, text
        return json.loads(text) if text.strip() else None


async def ended(docker: aiohttp.ClientSession, container_id: str) -> int:
    answer = await asyncio.wait_for(call(docker, "POST", f"/containers/{container_id}/wait", 200), 10)
    return int(answer["StatusCode"])


async def test_container_runs_to_its_exit_code_and_is_removed(docker: aiohttp.ClientSession, house: House) -> None:
    made = await create(docker, "sh", "-c", "echo hi; exit 3", name="one")
    document = house.clients.all(CONTAINERS)[0]
    assert (document["metadata"]["name"], document["spec"]["name"]) == (made[:12], "one")
    await call(docker, "POST", "/containers/one/start", 204)
    assert await ended(docker, made) == 3
    shown = await call(docker, "GET", f"/containers/{made[:6]}/json", 200)
    assert (shown["Name"], shown["State"]["ExitCode"], shown["State"]["Status"]) == ("/one", 3, "exited")
    async with docker.get("/containers/one/logs", params={"stdout": "1"}) as response:
        assert list(FrameReader().feed(await response.read())) == [(1, b"hi\n")]
    await call(docker, "DELETE", "/containers/one", 204)
    assert house.clients.all(CONTAINERS) == []
    assert house.runtime.list() == []
    answer = await call(docker, "GET", "/containers/one/json", 404)
    assert answer == {"message": "No such container: one"}


async def test_start_and_stop_say_when_there_is_nothing_to_do(docker: aiohttp.ClientSession) -> None:
    made = await create(docker, "sleep", "600")
    await call(docker, "POST", f"/containers/{made}/stop", 304)
    await call(docker, "POST", f"/containers/{made}/start", 204)
    await call(docker, "POST", f"/containers/{made}/start", 304)
    await call(docker, "POST", f"/containers/{made}/stop", 204)
    assert await ended(docker, made) == 143


async def test_names_are_taken_once_and_change(docker: aiohttp.ClientSession) -> None:
    made = await create(docker, "true", name="web")
    answer = await call(docker, "POST", "/containers/create?name=web", 409, json={"Image": "busybox", **HOST})
    assert f'The container name "/web" is already in use by container "{made}"' in answer["message"]
    answer = await call(docker, "POST", "/containers/create?name=a%20b", 400, json={"Image": "busybox", **HOST})
    assert answer["message"].startswith("Invalid container name (a b)")
    await call(docker, "POST", "/containers/web/rename?name=db", 204)
    await call(docker, "GET", "/containers/db/json", 200)
    await call(docker, "GET", "/containers/web/json", 404)


async def test_running_container_is_not_removed_unless_forced(docker: aiohttp.ClientSession, house: House) -> None:
    made = await create(docker, "sleep", "600")
    await call(docker, "POST", f"/containers/{made}/start", 204)
    answer = await call(docker, "DELETE", f"/containers/{made}", 409)
    assert "You cannot remove a running container" in answer["message"]
    await call(docker, "DELETE", f"/containers/{made}?force=1", 204)
    assert house.runtime.list() == []


async def test_failed_start_leaves_the_reason_and_the_code(docker: aiohttp.ClientSession) -> None:
    made = await create(docker, "nosuch")
    answer = await call(docker, "POST", f"/containers/{made}/start", 400)
    assert "failed to create task for container" in answer["message"]
    shown = await call(docker, "GET", f"/containers/{made}/json", 200)
    assert (shown["State"]["Status"], shown["State"]["Error"]) == ("created", answer["message"])


async def test_waiters_for_removal_hear_of_an_auto_removed_container(docker: aiohttp.ClientSession) -> None:
    made = await create(docker, "sh", "-c", "exit 4", HostConfig={"NetworkMode": "host", "AutoRemove": True})
    waiting = asyncio.create_task(call(docker, "POST", f"/containers/{made}/wait?condition=removed", 200))
    await call(docker, "POST", f"/containers/{made}/start", 204)
    assert (await asyncio.wait_for(waiting, 10))["StatusCode"] == 4
    await call(docker, "GET", f"/containers/{made}/json", 404)


async def test_restart_policy_starts_it_again_until_somebody_stops_it(docker: aiohttp.ClientSession) -> None:
    policy = {"NetworkMode": "host", "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1}}
    made = await create(docker, "false", HostConfig=policy)
    async with docker.get("/events", params={"filters": '{"event": ["die"]}'}) as events:
        await call(docker, "POST", f"/containers/{made}/start", 204)
        for _ in range(2):
            assert json.loads(await asyncio.wait_for(events.content.readline(), 10))["Action"] == "die"
    shown = await call(docker, "GET", f"/containers/{made}/json", 200)
    assert (shown["RestartCount"], shown["State"]["Status"]) == (1, "exited")


async def test_list_is_filtered(docker: aiohttp.ClientSession) -> None:
    await create(docker, "true", name="first", Labels={"tier": "a"})
    second = await create(docker, "sleep", "600", name="second")
    await call(docker, "POST", "/containers/second/start", 204)

    async def names(**params: str) -> list[str]:
        return [each["Names"][0] for each in await call(docker, "GET", "/containers/json", 200, params=params)]

    assert await names() == ["/second"]
    assert await names(all="1") == ["/second", "/first"]
    assert await names(all="1", limit="1") == ["/second"]
    for kind, value in (("label", "tier=a"), ("name", "fir"), ("status", "created"), ("before", second)):
        assert await names(all="1", filters=json.dumps({kind: [value]})) == ["/first"], kind
    assert await names(all="1", filters=json.dumps({"ancestor": ["busybox"]})) == ["/second", "/first"]
    answer = await call(docker, "GET", "/containers/json", 400, params={"filters": '{"nope": ["1"]}'})
    assert answer == {"message": "invalid filter 'nope'"}


async def test_exec_runs_and_is_inspected(docker: aiohttp.ClientSession) -> None:
    made = await create(docker, "sleep", "600")
    wanted = {"Cmd": ["sh", "-c", "echo out; exit 2"], "AttachStdout": True}
    answer = await call(docker, "POST", f"/containers/{made}/exec", 409, json=wanted)
    assert answer["message"] == f"container {made} is not running"
    await call(docker, "POST", f"/containers/{made}/start", 204)
    exec_id = (await call(docker, "POST", f"/containers/{made}/exec", 201, json=wanted))["Id"]
    await call(docker, "POST", f"/exec/{exec_id}/start", 200, json={"Detach": True})
    async with docker.get("/events", params={"since": "1", "filters": '{"event": ["exec_die"]}'}) as events:
        assert (
            json.loads(await asyncio.wait_for(events.content.readline(), 10))["Actor"]["Attributes"]["exitCode"] == "2"
        )
    shown = await call(docker, "GET", f"/exec/{exec_id}/json", 200)
    assert (shown["ExitCode"], shown["Running"], shown["ProcessConfig"]["entrypoint"]) == (2, False, "sh")


async def test_volumes_are_documents_and_are_kept_while_somebody_has_them(
    docker: aiohttp.ClientSession, house: House
) -> None:
    await call(docker, "POST", "/volumes/create", 201, json={"Name": "Data_1", "Labels": {"a": "b"}})
    assert house.clients.all(VOLUMES)[0]["spec"]["name"] == "Data_1"
    made = await create(docker, "true", HostConfig={"NetworkMode": "host", "Binds": ["Data_1:/data"]})
    answer = await call(docker, "DELETE", "/volumes/Data_1", 409)
    assert answer["message"] == f"remove Data_1: volume is in use - [{made}]"
    await call(docker, "DELETE", f"/containers/{made}?v=1", 204)
    await call(docker, "DELETE", "/volumes/Data_1", 204)
    assert await call(docker, "GET", "/volumes/Data_1", 404) == {"message": "get Data_1: no such volume"}
    answer = await call(docker, "POST", "/volumes/create", 404, json={"Name": "x1", "Driver": "nope"})
    assert "error looking up volume plugin nope" in answer["message"]


async def test_prune_takes_what_does_not_run(docker: aiohttp.ClientSession) -> None:
    gone, stays = await create(docker, "true"), await create(docker, "sleep", "600")
    await call(docker, "POST", f"/containers/{stays}/start", 204)
    answer = await call(docker, "POST", "/containers/prune", 200)
    assert answer["ContainersDeleted"] == [gone]


async def test_update_changes_what_may_change(docker: aiohttp.ClientSession, house: House) -> None:
    made = await create(docker, "sleep", "600")
    await call(docker, "POST", f"/containers/{made}/start", 204)
    await call(docker, "POST", f"/containers/{made}/update", 200, json={"CpuShares": 512})
    assert house.runtime.resources[made]["cpu"] == {"shares": 512}
    assert house.clients.all(CONTAINERS)[0]["spec"]["hostConfig"]["CpuShares"] == 512
    await call(docker, "POST", f"/containers/{made}/update", 400, json={"Memory": 1000})


async def test_deleted_document_takes_its_container_with_it(docker: aiohttp.ClientSession, house: House) -> None:
    made = await create(docker, "sleep", "600")
    await call(docker, "POST", f"/containers/{made}/start", 204)
    waiting = asyncio.create_task(call(docker, "POST", f"/containers/{made}/wait?condition=removed", 200))
    await asyncio.sleep(0)
    await house.clients.acting_as("somebody").delete(CONTAINERS, "", made[:12])
    await asyncio.wait_for(waiting, 10)
    assert house.runtime.list() == []


async def test_restarted_platform_finds_its_containers_as_they_are_now(house: House) -> None:
    always = {"NetworkMode": "host", "RestartPolicy": {"Name": "always"}}
    async with component.open(house.needs()), session_of(house.site) as docker:
        running = await create(docker, "sleep", "600", name="running")
        ending = await create(docker, "sleep", "600", name="ending")
        again = await create(docker, "sleep", "600", name="again", HostConfig=always)
        for each in (running, ending, again):
            await call(docker, "POST", f"/containers/{each}/start", 204)
    house.restart()
    house.runtime.exit_now(ending, 9)
    house.runtime.exit_now(again, 1)
    async with component.open(house.needs()), session_of(house.site) as docker:
        wanted = {"since": "1", "filters": json.dumps({"event": ["start"], "container": [again]})}
        async with docker.get("/events", params=wanted) as events:
            for _ in ("before the restart", "after it"):
                started = json.loads(await asyncio.wait_for(events.content.readline(), 10))
                assert started["Actor"]["ID"] == again
        shown = await call(docker, "GET", "/containers/ending/json", 200)
        assert (shown["State"]["Status"], shown["State"]["ExitCode"]) == ("exited", 9)
        assert (await call(docker, "GET", "/containers/running/json", 200))["State"]["Running"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1.99/info", 400, "too new"),
        ("/v1.10/info", 400, "too old"),
        ("/nonsense", 404, "page not found"),
        ("/swarm", 503, "not a swarm manager"),
        ("/containers/x/nonsense", 501, "not supported"),
    ],
)
async def test_what_is_not_served_says_so(docker: aiohttp.ClientSession, path: str, status: int, words: str) -> None:
    assert words in (await call(docker, "GET", path, status))["message"]


async def test_machine_is_described(docker: aiohttp.ClientSession) -> None:
    await create(docker, "true")
    facts = await call(docker, "GET", "/info", 200)
    assert (facts["Containers"], facts["OSType"], facts["LoggingDriver"]) == (1, "linux", "json-file")
    usage = await call(docker, "GET", "/system/df", 200)
    assert usage["Images"][0]["Containers"] == 1
