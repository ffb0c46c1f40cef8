"""podman's API on fakes: containers, pods and secrets, and what docker sees of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from maru.components.podman.model.definitions import PODS, SECRETS
from maru.wire.docker.frames import FrameReader
from tests.components.docker.conftest import House
from tests.components.podman.conftest import opened

Both = tuple[aiohttp.ClientSession, aiohttp.ClientSession]
V5, V4 = "/v5.8.0/libpod", "/v4.3.1/libpod"


async def call(session: aiohttp.ClientSession, method: str, path: str, status: int = 200, **more: Any) -> Any:
    async with session.request(method, path, **more) as response:
        text = await response.text()
        assert response.status == status, text
        return json.loads(text) if text.strip() else None


async def create(podman: aiohttp.ClientSession, *command: str, **asked: Any) -> str:
    own = {"netns": {"nsmode": "host"}, "ipcns": {"nsmode": "private"}}  # nothing is left mounted
    body = {"image": "busybox", "command": list(command), **own, **asked}
    return str((await call(podman, "POST", f"{V5}/containers/create", 201, json=body))["Id"])


async def test_every_answer_says_which_libpod_is_spoken_dockers_paths_too(sessions: Both) -> None:
    podman, _ = sessions
    for path in (f"{V5}/_ping", f"{V4}/_ping", "/libpod/_ping", "/_ping", "/v1.41/version", f"{V5}/containers/x/json"):
        async with podman.get(path) as response:
            assert response.headers["Libpod-API-Version"] == "5.5.2", path
    assert await call(podman, "GET", "/v3.0.0/libpod/info", 400)


async def test_a_container_of_podman_is_dockers_too_and_the_other_way_round(sessions: Both) -> None:
    podman, docker = sessions
    made = await create(podman, "echo", "hi", name="one")
    assert (await call(docker, "GET", "/containers/one/json"))["Id"] == made
    await call(podman, "POST", f"{V5}/containers/one/start", 204)
    assert await call(podman, "POST", f"{V5}/containers/one/wait") == 0
    async with podman.get(f"{V5}/containers/one/logs") as response:
        assert list(FrameReader().feed(await response.read())) == [(1, b"hi\n")]
    other = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "host"}}
    await call(docker, "POST", "/containers/create", 201, params={"name": "two"}, json=other)
    rows = await call(podman, "GET", f"{V5}/containers/json", params={"all": "true"})
    assert {(row["Names"][0], row["State"], row["Image"]) for row in rows} == {
        ("one", "exited", "docker.io/library/busybox:latest"),
        ("two", "created", "docker.io/library/busybox:latest"),
    }
    report = await call(podman, "DELETE", f"{V5}/containers/one")
    assert report == [{"Id": made, "Err": None, "RawInput": "one"}]
    await call(docker, "GET", "/containers/one/json", 404)


async def test_inspect_has_the_types_of_the_clients_version(sessions: Both) -> None:
    podman, _ = sessions
    await create(podman, "x", name="one", entrypoint=["sh", "-c"], stop_signal=10)
    new = (await call(podman, "GET", f"{V5}/containers/one/json"))["Config"]
    old = (await call(podman, "GET", f"{V4}/containers/one/json"))["Config"]
    assert (new["Entrypoint"], new["StopSignal"]) == (["sh", "-c"], "SIGUSR1")
    assert (old["Entrypoint"], old["StopSignal"]) == ("sh -c", 10)


async def test_errors_have_message_cause_and_status(sessions: Both) -> None:
    podman, _ = sessions
    assert await call(podman, "GET", f"{V5}/containers/no/json", 404) == {
        "cause": "no such container",
        "message": 'no container with name or ID "no" found: no such container',
        "response": 404,
    }
    missing = await call(podman, "POST", f"{V5}/containers/create", 404, json={"image": "nope"})
    assert missing["cause"] == "image not known"
    refused = await call(podman, "POST", f"{V5}/containers/create", 501, json={"image": "busybox", "umask": "0077"})
    assert "umask" in refused["message"]
    await call(podman, "POST", f"{V5}/containers/no/checkpoint", 501)
    await call(podman, "POST", f"{V5}/play/kube", 501)


async def test_a_container_is_initialised_before_it_starts(sessions: Both, house: House) -> None:
    podman, _ = sessions
    made = await create(podman, "sleep", "600", name="one")
    await call(podman, "POST", f"{V5}/containers/one/init", 204)
    assert (await call(podman, "GET", f"{V5}/containers/one/json"))["State"]["Status"] == "initialized"
    await call(podman, "POST", f"{V5}/containers/one/init", 304)
    await call(podman, "POST", f"{V5}/containers/one/start", 204)
    assert await call(podman, "POST", f"{V5}/containers/one/wait", params={"condition": "running"}) == -1
    await call(podman, "POST", f"{V5}/containers/one/kill", 204)
    assert await call(podman, "POST", f"{V5}/containers/one/wait") == 137
    status = house.runtime.find(made)
    assert status is not None
    assert status.exit_code == 137


async def test_a_pod_is_a_document_and_its_containers_share_its_namespaces(sessions: Both, house: House) -> None:
    podman, _ = sessions
    pod_id = (await call(podman, "POST", f"{V5}/pods/create", 201, json={"name": "shop", "labels": {"a": "b"}}))["Id"]
    assert [each["spec"]["name"] for each in house.clients.all(PODS)] == ["shop"]
    member = (await call(podman, "POST", f"{V5}/containers/create", 201, json={"image": "busybox", "pod": "shop"}))[
        "Id"
    ]
    shown = await call(podman, "GET", f"{V5}/pods/shop/json")
    infra = shown["InfraContainerID"]
    assert ({each["Id"] for each in shown["Containers"]}, shown["State"]) == ({infra, member}, "Created")
    host = (await call(podman, "GET", f"{V5}/containers/{member}/json"))["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"]) == (f"container:{infra}", f"container:{infra}")
    rows = await call(podman, "GET", f"{V5}/pods/json", params={"filters": '{"label": ["a=b"]}'})
    assert [row["Id"] for row in rows] == [pod_id]
    taken = await call(podman, "POST", f"{V5}/pods/create", 409, json={"name": "shop"})
    assert taken["cause"] == "pod already exists"
    await call(podman, "DELETE", f"{V5}/containers/{infra}", 500)
    await call(podman, "DELETE", f"{V5}/pods/shop", params={"force": "true"})
    assert (house.clients.all(PODS), house.runtime.list()) == ([], [])


async def test_a_secret_is_sealed_in_its_document_and_a_file_of_its_container(
    sessions: Both, house: House, tmp_path: Path
) -> None:
    podman, docker = sessions
    made = await call(podman, "POST", f"{V5}/secrets/create", params={"name": "tok"}, data=b"hunter2")
    assert b"hunter2" not in json.dumps(house.clients.all(SECRETS)).encode()
    await call(podman, "POST", f"{V5}/secrets/create", 500, params={"name": "tok"}, data=b"other")
    await create(podman, "true", name="one", secrets=[{"source": "tok", "mode": 0o400}], secret_env={"TOK": made["ID"]})
    mount = (await call(docker, "GET", "/containers/one/json"))["Mounts"][0]
    source = Path(mount["Source"])
    assert (mount["Destination"], source.read_bytes(), source.stat().st_mode & 0o777) == (
        "/run/secrets/tok",
        b"hunter2",
        0o400,
    )
    shown = await call(podman, "GET", f"{V5}/containers/one/json")
    assert (shown["Mounts"], [each["Name"] for each in shown["Config"]["Secrets"]]) == ([], ["tok"])
    assert all(not entry.startswith("TOK=") for entry in shown["Config"]["Env"])
    await call(podman, "DELETE", f"{V5}/secrets/{made['ID']}", 204)
    assert source.exists()
    await call(podman, "DELETE", f"{V5}/containers/one")
    assert not source.exists()


@pytest.mark.parametrize("bad", ["", "a/b", "a=b"])
async def test_a_secret_with_a_bad_name_is_refused(sessions: Both, house: House, bad: str) -> None:
    await call(sessions[0], "POST", f"{V5}/secrets/create", 400, params={"name": bad}, data=b"x")
    assert house.clients.all(SECRETS) == []


async def test_what_podman_keeps_is_there_after_a_restart(house: House, tmp_path: Path) -> None:
    async with opened(house, tmp_path / "content") as (podman, _):
        await call(podman, "POST", f"{V5}/pods/create", 201, json={"name": "shop", "no_infra": True})
        await call(podman, "POST", f"{V5}/secrets/create", params={"name": "tok"}, data=b"hunter2")
        await create(podman, "true", name="one", pod="shop", secrets=[{"source": "tok"}])
    house.restart()
    async with opened(house, tmp_path / "content") as (podman, docker):
        members = (await call(podman, "GET", f"{V5}/pods/shop/json"))["Containers"]
        assert [each["Name"] for each in members] == ["one"]
        secret = await call(podman, "GET", f"{V5}/secrets/tok/json", params={"showsecret": "true"})
        assert secret["SecretData"] == "hunter2"
        mount = (await call(docker, "GET", "/containers/one/json"))["Mounts"][0]
        assert Path(mount["Source"]).read_bytes() == b"hunter2"


async def test_networks_and_volumes_have_podmans_names_and_shapes(sessions: Both) -> None:
    podman, docker = sessions
    names = [each["name"] for each in await call(podman, "GET", f"{V5}/networks/json")]
    assert names == ["podman"]
    made = await call(podman, "POST", f"{V5}/networks/create", json={"name": "shop", "labels": {"a": "b"}})
    assert (made["name"], made["driver"], made["labels"]) == ("shop", "bridge", {"a": "b"})
    assert (await call(docker, "GET", "/networks/shop"))["Id"] == made["id"]
    assert (await call(podman, "GET", f"{V5}/networks/nope/json", 404))["cause"] == "network not found"
    await call(podman, "GET", f"{V5}/networks/host/exists", 404)
    await call(podman, "DELETE", f"{V5}/networks/shop")
    volume = await call(podman, "POST", f"{V5}/volumes/create", 201, json={"Name": "vol", "Labels": {"a": "b"}})
    assert await call(podman, "GET", f"{V5}/volumes/vol/json") == volume
    again = await call(podman, "POST", f"{V5}/volumes/create", 500, json={"Name": "vol"})
    assert again["cause"] == "volume already exists"
    assert [each["Id"] for each in await call(podman, "POST", f"{V5}/volumes/prune")] == ["vol"]


async def test_events_have_podmans_words(sessions: Both) -> None:
    podman, _ = sessions
    await create(podman, "true", name="one")
    await call(podman, "POST", f"{V5}/containers/one/start", 204)
    await call(podman, "POST", f"{V5}/containers/one/wait")
    await call(podman, "DELETE", f"{V5}/containers/one")
    query = {"stream": "false", "since": "1h", "filters": '{"type": ["container"]}'}
    async with podman.get(f"{V5}/events", params=query) as response:
        words = [json.loads(line)["Action"] for line in (await response.text()).splitlines()]
    assert words == ["create", "start", "died", "remove"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("containers/create", "["),
        ("containers/create", '{"image": ["a"]}'),
        ("containers/create", '{"image": "busybox", "resource_limits": {"cpu": "x"}}'),
        ("containers/create", '{"image": "busybox", "timezone": "../../etc/passwd"}'),
        ("containers/one/update", '{"memory": "x"}'),
        ("containers/one/update", '{"health_retries": "x"}'),
        ("networks/create", '{"name": "x", "subnets": "x"}'),
        ("pods/create", '{"name": "a/b"}'),
        ("manifests/Upper", "{}"),
    ],
)
async def test_what_cannot_be_read_is_refused_and_leaves_nothing(
    sessions: Both, house: House, path: str, body: str
) -> None:
    podman, _ = sessions
    await create(podman, "true", name="one")
    answer = await call(podman, "POST", f"{V5}/{path}", 400, data=body)
    assert (set(answer), answer["response"]) == ({"cause", "message", "response"}, 400)
    assert (len(house.runtime.list()), house.clients.all(PODS)) == (1, [])
