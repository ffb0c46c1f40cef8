"""The engine pushes to the registry: what it sends, what it does not, and how it goes on after a break."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from maru.components.engine import component
from maru.components.engine.engine.images import Images
from maru.components.registry.component import handler_of
from maru.contracts.image_store import Commit, Progress, RegistryAuth, RegistryUnreachable
from maru.core.errors import Denied, NotFound, Unavailable
from maru.core.front.answers import json_answer
from maru.core.front.listener import TcpListener
from maru.core.front.message import Answer, Request
from maru.core.front.server import serve
from tests.components.engine.conftest import needs, site
from tests.components.registry.conftest import Registry
from tests.fakes.fast_clock import FastClock

__all__ = ["needs", "site"]
pytestmark = pytest.mark.root  # layers are unpacked with their owners, in a chroot

LAYER_BYTES = 3 << 20


class _Door:
    """Stands before the registry: counts what passes, breaks uploads off, asks for credentials."""

    def __init__(self, registry: Registry) -> None:
        self._handler = handler_of(registry.shelf, registry.uploads)
        self.seen: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.breaks = 0
        self.cut_after = LAYER_BYTES // 2
        self.auth: RegistryAuth | None = None
        self.host = ""

    async def answer(self, request: Request) -> Answer:
        self.seen[request.method] += 1
        if self.auth is not None:
            wanted = base64.b64encode(f"{self.auth.username}:{self.auth.password}".encode()).decode()
            if request.headers.get("Authorization") != f"Basic {wanted}":
                return json_answer({"errors": [{"message": "no"}]}, 401, {"WWW-Authenticate": 'Basic realm="here"'})
        if request.method == "PATCH":
            self.ranges.append(request.headers.get("Content-Range", ""))
            if self.breaks and int(request.headers["Content-Length"]) > self.cut_after:
                self.breaks -= 1
                return await self._handler(_Cut(request, self.cut_after))  # type: ignore[arg-type]  # as far as an upload looks
        return await self._handler(request)


class _Cut:
    """A request whose body breaks off after `left` bytes."""

    def __init__(self, request: Request, left: int) -> None:
        self.method, self.path, self.headers = request.method, request.path, request.headers
        self._request = request
        self._left = left

    async def chunks(self) -> AsyncIterator[bytes]:
        left = self._left
        async for chunk in self._request.chunks():
            if left > 0:
                yield chunk
                left -= len(chunk)
            if left <= 0:
                raise Unavailable(what="the upload", why="the registry has to stop", fix="go on later")


class _NoContainers:
    def stacks_in_use(self) -> list[list[str]]:
        return []


@pytest.fixture
async def door(registry: Registry) -> AsyncIterator[_Door]:
    made = _Door(registry)
    async with serve([TcpListener("127.0.0.1", 0)], made.answer) as front:
        made.host = f"127.0.0.1:{front.ports[0]}"
        yield made


@pytest.fixture
async def images(needs: component.Needs, door: _Door, tmp_path: Path) -> Images:
    """An image of one layer that no compression makes smaller, as team/app:v1 of the registry."""
    store = await component.open_images(replace(needs, clock=FastClock(10.0)), _NoContainers())
    layer = tmp_path / "layer.tar"
    noise = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(LAYER_BYTES // 32))
    with tarfile.open(layer, "w") as tar:
        entry = tarfile.TarInfo("noise")
        entry.size = len(noise)
        tar.addfile(entry, io.BytesIO(noise))
    await store.commit(Commit("", str(layer), {"Cmd": ["sh"]}, f"{door.host}/team/app:v1"))
    return store


async def steps_of(steps: AsyncIterator[Progress]) -> list[Progress]:
    return [step async for step in steps]


async def test_pushed_image_is_pulled_again(images: Images, door: _Door) -> None:
    name = f"{door.host}/team/app:v1"
    steps = await steps_of(images.push(name))
    image = images.find(name)
    assert image is not None
    assert image.digests == (f"{door.host}/team/app@{steps[-1].digest}",)
    assert {step.status for step in steps if step.layer} == {"Preparing", "Pushing", "Pushed"}
    await images.remove(name)
    await steps_of(images.pull(name))
    again = images.find(name)
    assert again is not None
    assert (again.id, again.digests) == (image.id, image.digests)


async def test_what_the_registry_has_is_not_sent(images: Images, door: _Door) -> None:
    name = f"{door.host}/team/app"
    await steps_of(images.push(f"{name}:v1"))
    patches = door.seen["PATCH"]
    await images.tag(f"{name}:v1", f"{name}:v2")
    assert "Layer already exists" in {step.status for step in await steps_of(images.push(f"{name}:v2"))}
    await images.tag(f"{name}:v1", f"{door.host}/other:v1")
    assert "Mounted from team/app" in {step.status for step in await steps_of(images.push(f"{door.host}/other:v1"))}
    assert door.seen["PATCH"] == patches


async def test_upload_that_breaks_off_goes_on(images: Images, door: _Door) -> None:
    door.breaks = 1
    await steps_of(images.push(f"{door.host}/team/app:v1"))
    assert [text for text in door.ranges if text and not text.startswith("0-")]


async def test_registry_that_always_breaks_off_is_given_up(images: Images, door: _Door) -> None:
    door.breaks, door.cut_after = 1000, 0
    with pytest.raises(Unavailable):
        await steps_of(images.push(f"{door.host}/team/app:v1"))


async def test_credentials_are_given_when_asked_for(images: Images, door: _Door) -> None:
    door.auth = RegistryAuth("ada", "secret")
    for wrong in (None, RegistryAuth("ada", "guess")):
        with pytest.raises(Denied, match="requested access to the resource is denied"):
            await steps_of(images.push(f"{door.host}/team/app:v1", wrong))
    await steps_of(images.push(f"{door.host}/team/app:v1", door.auth))


async def test_registry_that_is_not_there_is_said_to_be(images: Images, door: _Door) -> None:
    await images.tag(f"{door.host}/team/app:v1", "127.0.0.1:1/team/app:v1")
    with pytest.raises(RegistryUnreachable, match="connection refused"):
        await steps_of(images.push("127.0.0.1:1/team/app:v1"))


async def test_what_is_not_here_cannot_be_pushed(images: Images, door: _Door) -> None:
    with pytest.raises(NotFound, match="tag does not exist"):
        await steps_of(images.push(f"{door.host}/team/app:v9"))
