"""A full disk: every step that writes says so as dockerd does, leaves nothing half made, and room can be made."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from maru.components.docker import component as docker
from maru.components.engine import component
from maru.core.site import Site
from maru.linux.mounts import mount_blocking, mount_points, unmount_blocking
from tests.components.docker.conftest import needs_of, session_of
from tests.components.engine.registry_server import layer_tar
from tests.fakes.client import FakeClients

pytestmark = pytest.mark.root

BASE = "maru.local/base:latest"
BIG = os.urandom(2 << 20)
FULL = "no space left on device"
BUSY = {"Image": BASE, "Cmd": ["sleep", "600"], "HostConfig": {"NetworkMode": "none"}}


@dataclass
class Engine:
    """The engine over a disk of its own."""

    session: aiohttp.ClientSession
    folder: Path

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, str]:
        async with self.session.request(method, path, **more) as response:
            return response.status, await response.text()

    async def made(self, name: str) -> str:
        """A container; its id."""
        status, text = await self.ask("POST", f"/containers/create?name={name}", json=BUSY)
        assert status == 201, text
        return str(json.loads(text)["Id"])

    def files(self) -> set[str]:
        """All there is but events, and room that is kept."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if "root/" not in str(path)}
        return {path for path in found if not path.endswith(("docker/events", "images/spare"))}

    @contextlib.contextmanager
    def full(self) -> Any:
        """In it, nothing more can be written."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        try:
            yield
        finally:
            filler.unlink()


@pytest.fixture
async def engine(needs: component.Needs, site: Site) -> AsyncIterator[Engine]:
    site.data_dir.mkdir(parents=True)
    mount_blocking("tmpfs", str(site.data_dir), "tmpfs", 0, "size=48m")
    try:
        async with component.open(needs) as real:
            wanted = needs_of(site, real.runtime, real.images, FakeClients())
            async with docker.open(wanted), session_of(site) as session:
                running = Engine(session, site.data_dir)
                assert (await running.ask("POST", "/maru/images/base"))[0] == 200
                yield running
                for status in real.runtime.list():
                    await real.runtime.remove(status.id)
        assert mount_points(str(site.data_dir)) == [str(site.data_dir)]
    finally:
        shutil.rmtree(component.state_folder(site), ignore_errors=True)
        unmount_blocking(str(site.data_dir))


def context() -> bytes:
    return layer_tar({"Dockerfile": f"FROM {BASE}\nCOPY big /\n".encode(), "big": BIG})


async def test_what_cannot_be_written_is_said_and_leaves_nothing(engine: Engine) -> None:
    container = await engine.made("one")
    assert (await engine.ask("POST", f"/containers/{container}/start"))[0] == 204
    _, made = await engine.ask("POST", f"/containers/{container}/exec", json={"Cmd": ["true"]})
    tar = {"Content-Type": "application/x-tar"}
    upload = layer_tar({"big": BIG})
    before = engine.files()
    with engine.full():
        for method, path, more in (
            ("POST", "/images/load", {"data": context()}),
            ("POST", "/images/create?fromSrc=-&repo=x", {"data": upload}),
            ("POST", "/build?t=x", {"data": context(), "headers": tar}),
            ("POST", f"/commit?container={container}&repo=x", {}),
            ("POST", "/containers/create?name=two", {"json": BUSY}),
            ("PUT", f"/containers/{container}/archive?path=/", {"data": upload}),
            ("POST", f"/exec/{json.loads(made)['Id']}/start", {"json": {}}),
        ):
            status, text = await engine.ask(method, path, **more)
            assert FULL in text, (path, status, text)
            assert status in (200, 500), (path, status, text)
        assert engine.files() - {"filler"} == before
    assert await engine.made("two")
    assert (await engine.ask("POST", "/build?t=x", data=context(), headers=tar))[1].count("Successfully tagged") == 1


async def test_room_is_made_by_removing_images_and_containers(engine: Engine) -> None:
    tar = {"Content-Type": "application/x-tar"}
    assert "Successfully" in (await engine.ask("POST", "/build?t=x", data=context(), headers=tar))[1]
    await engine.made("one")
    with engine.full():
        assert (await engine.ask("DELETE", "/images/x"))[0] == 200
        assert (await engine.ask("DELETE", "/containers/one"))[0] == 204
        assert '"x:latest"' not in (await engine.ask("GET", "/images/json"))[1]
        assert await engine.made("two")


async def test_half_of_a_volume_is_not_taken_for_all_of_it(engine: Engine) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as built:
        for name, content in (("Dockerfile", f"FROM {BASE}\nCOPY big a /data/\n".encode()), ("big", BIG), ("a", b"1")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            built.addfile(entry, io.BytesIO(content))
    assert "Successfully" in (await engine.ask("POST", "/build?t=filled", data=inner.getvalue()))[1]
    body = {"Image": "filled", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none", "Binds": ["kept:/data"]}}
    with engine.full():
        (engine.folder / "filler").open("r+b").truncate((engine.folder / "filler").stat().st_size - (1 << 20))
        status, text = await engine.ask("POST", "/containers/create?name=one", json=body)
        assert (status, FULL in text) == (500, True), text
        assert list((engine.folder / "docker" / "volumes" / "kept" / "_data").iterdir()) == []
    assert (await engine.ask("POST", "/containers/create?name=one", json=body))[0] == 201
    assert (engine.folder / "docker" / "volumes" / "kept" / "_data" / "big").stat().st_size == len(BIG)
