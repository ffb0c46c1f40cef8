"""The engine's socket answers as Docker's clients and the command line expect."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from maru.components.docker import component as docker
from maru.components.engine import component
from maru.contracts.image_store import RegistryAuth
from maru.core.site import Site
from tests.components.docker.conftest import needs_of, session_of
from tests.components.engine.conftest import leaves_nothing
from tests.components.engine.registry_server import RegistryServer, layer_tar
from tests.fakes.client import FakeClients

pytestmark = pytest.mark.root

BASE = "maru.local/base:latest"


@pytest.fixture
async def client(needs: component.Needs, site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    async with component.open(needs) as engine:
        wanted = needs_of(site, engine.runtime, engine.images, FakeClients())
        async with docker.open(wanted), session_of(site) as session:
            yield session
    leaves_nothing(site)


async def lines(response: aiohttp.ClientResponse) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await response.text()).splitlines()]


async def test_ping_and_version_name_the_api(client: aiohttp.ClientSession) -> None:
    async with client.get("/_ping") as response:
        assert (response.status, await response.text()) == (200, "OK")
        assert response.headers["Api-Version"] == "1.50"
    async with client.head("/_ping") as response:
        assert response.status == 200
    async with client.get("/v1.43/version") as response:
        assert (await response.json())["ApiVersion"] == "1.50"


async def test_unknown_path_and_method_are_refused(client: aiohttp.ClientSession) -> None:
    async with client.get("/nonsense/at/all") as response:
        assert response.status == 501
        assert "message" in await response.json()
    async with client.post("/version") as response:
        assert response.status == 405


async def test_base_image_is_built_listed_inspected_tagged_and_removed(client: aiohttp.ClientSession) -> None:
    async with client.post("/maru/images/base") as response:
        assert response.status == 200
        assert all("error" not in line for line in await lines(response))
    async with client.get("/images/json") as response:
        (image,) = await response.json()
    assert {BASE, "busybox:latest"} < set(image["RepoTags"])
    async with client.get("/images/busybox/json") as response:
        details = await response.json()
    assert (details["Id"], details["Config"]["Cmd"]) == (image["Id"], ["sh"])
    async with client.post(f"/images/{BASE}/tag", params={"repo": "team/app", "tag": "v1"}) as response:
        assert response.status == 201
    async with client.get("/images/json", params={"filters": '{"reference":["team/*"]}'}) as response:
        assert len(await response.json()) == 1
    async with client.delete("/images/team/app:v1") as response:
        assert await response.json() == [{"Untagged": "team/app:v1"}]
    async with client.delete(f"/images/{image['Id']}", params={"force": "1"}) as response:
        gone = await response.json()
    assert {"Deleted": image["Id"]} in gone
    async with client.get("/images/json") as response:
        assert await response.json() == []


async def test_saved_archive_loads_again(client: aiohttp.ClientSession) -> None:
    async with client.post("/maru/images/base", params={"tag": "mine:v1"}) as response:
        await response.read()
    async with client.get("/images/mine:v1/get") as response:
        archive = await response.read()
    async with client.delete("/images/mine:v1") as response:
        assert response.status == 200
    async with client.post("/images/load", data=archive) as response:
        assert await lines(response) == [{"stream": "Loaded image: mine:v1\n"}]
    async with client.get("/images/mine:v1/json") as response:
        assert response.status == 200


async def test_junk_archive_is_an_error_line(client: aiohttp.ClientSession) -> None:
    async with client.post("/images/load", data=b"junk") as response:
        (line,) = await lines(response)
    assert "unexpected EOF" in line["error"]


async def test_pull_tells_its_progress_and_failures_have_a_status(client: aiohttp.ClientSession) -> None:
    async with RegistryServer() as server:
        auth = RegistryAuth("ada", "secret")
        reference = server.put_image("team/app:v1", [layer_tar({"a": b"1"})], auth=auth)
        repository = reference.removesuffix(":v1")
        async with client.post("/images/create", params={"fromImage": repository, "tag": "v1"}) as response:
            assert response.status == 404
            assert "denied" in (await response.json())["message"]
        given = base64.urlsafe_b64encode(json.dumps({"username": "ada", "password": "secret"}).encode()).decode()
        headers = {"X-Registry-Auth": given}
        target = {"fromImage": repository, "tag": "v1"}
        async with client.post("/images/create", params=target, headers=headers) as response:
            assert response.status == 200
            told = await lines(response)
        assert {"Pull complete"} <= {line["status"] for line in told}
        async with client.post("/images/create", params={"fromImage": reference + "9"}, headers=headers) as response:
            assert response.status == 404


async def test_missing_image_and_bad_names_are_told_apart(client: aiohttp.ClientSession) -> None:
    async with client.get("/images/absent/json") as response:
        assert response.status == 404
        assert "No such image: absent" in (await response.json())["message"]
    async with client.post("/images/create", params={"fromImage": "Not%20Good"}) as response:
        assert response.status == 400
    async with client.get("/images/json", params={"filters": "{"}) as response:
        assert response.status == 400
    async with client.get("/images/json", params={"filters": '{"colour":["1"]}'}) as response:
        assert response.status == 400
