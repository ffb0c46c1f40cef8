"""A registry asked over the Docker API: login, mirrors, what a name stands for, search, import and prune."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt
import pytest
import zstandard

from maru.components.docker import component as docker
from maru.components.engine import component
from maru.components.engine.config import EngineConfig
from maru.components.registry.api.guard import guarded
from maru.components.registry.component import handler_of
from maru.components.registry.engine.passwords import Passwords
from maru.core.front.listener import TcpListener
from maru.core.front.server import serve
from maru.core.site import Site
from tests.components.docker.conftest import needs_of, session_of
from tests.components.docker.test_images_api import lines
from tests.components.engine.conftest import leaves_nothing
from tests.components.engine.registry_server import layer_tar
from tests.components.registry.conftest import Registry, registry
from tests.fakes.client import FakeClients

__all__ = ["registry"]
pytestmark = pytest.mark.root
BASE = "maru.local/base:latest"


@dataclass
class Sides:
    """docker: the Engine API, whose mirror is the registry at `host`; guarded_host: the same, for ada only."""

    docker: aiohttp.ClientSession
    host: str
    guarded_host: str

    async def post(self, path: str, **more: Any) -> tuple[int, list[dict[str, Any]]]:
        async with self.docker.post(path, **more) as response:
            return response.status, await lines(response)

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.docker.get(path) as response:
            return response.status, await response.json()


@pytest.fixture
async def sides(registry: Registry, needs: component.Needs, site: Site, tmp_path: Path) -> AsyncIterator[Sides]:
    passwords = tmp_path / "htpasswd"
    passwords.write_text(f"ada:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    handler = handler_of(registry.shelf, registry.uploads)
    async with (
        serve([TcpListener("127.0.0.1", 0)], handler) as front,
        serve([TcpListener("127.0.0.1", 0)], guarded(handler, Passwords(str(passwords)))) as door,
    ):
        host = f"127.0.0.1:{front.ports[0]}"
        mirrored = replace(needs, config=EngineConfig(registry_mirrors=(f"http://{host}",)))
        async with component.open(mirrored) as engine:
            wanted = needs_of(site, engine.runtime, engine.images, FakeClients(), engine.registries)
            async with docker.open(wanted), session_of(site) as session:
                yield Sides(session, host, f"127.0.0.1:{door.ports[0]}")
    leaves_nothing(site)


async def _push(sides: Sides, name: str) -> None:
    await sides.post("/maru/images/base")
    await sides.post(f"/images/{BASE}/tag", params={"repo": f"{sides.host}/{name}"})
    status, said = await sides.post(f"/images/{sides.host}/{name}/push", headers={"X-Registry-Auth": "e30="})
    assert status == 200 and "errorDetail" not in said[-1], said
    async with sides.docker.delete(f"/images/{sides.host}/{name}"):
        pass


async def test_hub_images_come_from_a_mirror(sides: Sides) -> None:
    await _push(sides, "library/alpine")
    status, said = await sides.post("/images/create", params={"fromImage": "alpine", "tag": "latest"})
    assert (status, said[-1]["status"]) == (200, "Status: Downloaded newer image for alpine:latest")
    _, shown = await sides.get("/images/alpine:latest/json")
    assert shown["RepoDigests"][0].startswith("alpine@sha256:")
    assert shown["Config"]["OnBuild"] is None
    _, info = await sides.get("/info")
    assert info["RegistryConfig"]["Mirrors"] == [f"http://{sides.host}/"]


async def test_a_name_is_described_without_a_pull(sides: Sides) -> None:
    await _push(sides, "library/alpine")
    status, shown = await sides.get("/distribution/alpine:latest/json")
    assert status == 200
    assert shown["Platforms"][0] == {"os": "linux", "architecture": shown["Platforms"][0]["architecture"]}
    assert shown["Descriptor"]["digest"].startswith("sha256:") and shown["Descriptor"]["size"] > 100
    assert (await sides.get(f"/distribution/{sides.host}/no/such/json"))[0] == 404


async def test_login_tells_right_from_wrong(sides: Sides) -> None:
    who = {"username": "ada", "password": "secret", "serveraddress": sides.guarded_host}
    assert await sides.post("/auth", json=who) == (200, [{"Status": "Login Succeeded", "IdentityToken": ""}])
    status, said = await sides.post("/auth", json=who | {"password": "guess"})
    assert status == 401 and "unauthorized: incorrect username or password" in said[0]["message"]
    assert (await sides.post("/auth", json=who | {"serveraddress": f"http://{sides.host}/v1/"}))[0] == 200
    status, said = await sides.post("/images/create", params={"fromImage": f"{sides.guarded_host}/team/app"})
    assert status == 404 and "pull access denied" in said[0]["message"]


async def test_repositories_are_searched(sides: Sides) -> None:
    await _push(sides, "library/alpine")
    await _push(sides, "team/alpine-tools")
    _, found = await sides.get(f"/images/search?term={sides.host}/alpine")
    assert [each["name"] for each in found] == ["library/alpine", "team/alpine-tools"]
    _, found = await sides.get("/images/search?term=alpine")
    assert [(each["name"], each["is_official"]) for each in found] == [("alpine", True), ("team/alpine-tools", False)]
    status, said = await sides.get("/images/search?term=alpine&limit=101")
    assert (status, said["message"]) == (400, "limit 101 is outside the range of [1, 100]")


async def test_a_file_system_is_imported_however_it_is_compressed(sides: Sides) -> None:
    tar = layer_tar({"hello": b"hi"})
    kinds = (tar, gzip.compress(tar), bz2.compress(tar), lzma.compress(tar), zstandard.compress(tar))
    ids = set()
    for archive in kinds:
        query = {"fromSrc": "-", "repo": "test/import", "changes": 'CMD ["echo"]', "message": "by hand"}
        status, said = await sides.post("/images/create", params=query, data=archive)
        assert status == 200, said
        ids.add(said[-1]["status"])
    assert all(each.startswith("sha256:") for each in ids)
    _, shown = await sides.get("/images/test/import:latest/json")
    assert (shown["Config"]["Cmd"], shown["Comment"], shown["Size"]) == (["echo"], "by hand", 2)
    status, said = await sides.post("/images/create", params={"fromSrc": "-"}, data=b"no tar at all" * 99)
    assert status == 500 and "invalid tar header" in said[0]["message"]


async def test_prune_frees_what_it_tells_and_nothing_that_is_named(sides: Sides) -> None:
    await sides.post("/maru/images/base")
    await sides.post("/images/create", params={"fromSrc": "-", "repo": "kept"}, data=layer_tar({"a": b"a" * 1000}))
    await sides.post("/images/create", params={"fromSrc": "-"}, data=layer_tar({"b": b"b" * 123_457}))
    _, before = await sides.get("/system/df")
    status, said = await sides.post("/images/prune")
    assert (status, said[0]["SpaceReclaimed"], len(said[0]["ImagesDeleted"])) == (200, 123_457, 2)
    _, after = await sides.get("/system/df")
    assert before["LayersSize"] - after["LayersSize"] == 123_457
    _, said = await sides.post("/images/prune", params={"filters": '{"dangling":["false"],"label":["none"]}'})
    assert said[0] == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    _, said = await sides.post("/images/prune", params={"filters": '{"dangling":["false"]}'})
    assert said[0]["SpaceReclaimed"] == 1000
    assert (await sides.get(f"/images/{BASE}/json"))[0] == 200  # the platform's own stays
