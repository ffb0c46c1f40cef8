"""An image store in memory: it passes tests/suites/image_store.py as the real one does.

`offer` puts an image where `pull` finds it, `put` makes it present at once. Layers are empty folders
under `folder`.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from maru.contracts.image_store import (
    LOCAL_DOMAIN,
    Commit,
    Image,
    ImageConfig,
    Progress,
    RegistryAuth,
    RegistryUnreachable,
)
from maru.core.errors import Conflict, Denied, Invalid, NotFound
from maru.wire.oci.reference import Reference, parse_reference


class FakeImages:
    """Images by name; `in_use` answers the image ids that containers hold, `pulls` counts by reference."""

    def __init__(self, folder: Path, in_use: Callable[[], set[str]] = set) -> None:
        self._folder = folder
        self._images: dict[str, Image] = {}
        self._offered: dict[str, tuple[ImageConfig, RegistryAuth | None]] = {}
        self._in_use = in_use
        self.pulls: list[str] = []
        self.is_unreachable = False  # whether registries are out of reach
        self.pull_gate: asyncio.Event | None = None  # when set to an Event, pulls wait for it

    def offer(self, reference: str, config: ImageConfig | None = None, auth: RegistryAuth | None = None) -> None:
        """Let `pull` find this image; with `auth`, only for those credentials."""
        self._offered[str(_parse(reference))] = (config or ImageConfig(command=("sh",)), auth)

    def put(self, reference: str, config: ImageConfig | None = None) -> Image:
        """Make an image present under `reference`."""
        name = _parse(reference)
        seed = json.dumps([str(name), repr(config)])
        digest = hashlib.sha256(seed.encode()).hexdigest()
        layer = "sha256:" + hashlib.sha256(b"layer" + seed.encode()).hexdigest()
        image = Image(
            id=f"sha256:{digest}",
            names=(),
            digests=(f"{name.name}@sha256:{digest[::-1]}",),
            layers=(layer,),
            size_bytes=1000,
            config=config or ImageConfig(command=("sh",)),
            created="2026-01-01T00:00:00Z",
        )
        (self._folder / layer[7:]).mkdir(parents=True, exist_ok=True)
        self._images.setdefault(image.id, image)
        self._name(image.id, name.tagged)
        return self._images[image.id]

    def find(self, reference: str) -> Image | None:
        digits = reference.removeprefix("sha256:")
        by_id = [image for key, image in self._images.items() if key[7:].startswith(digits)]
        if len(digits) == 64 and by_id:
            return by_id[0]
        try:
            name = parse_reference(reference)
        except ValueError:
            return None
        for image in self._images.values():
            if name.digest and f"{name.name}@{name.digest}" in image.digests:
                return image
            if not name.digest and name.tagged in image.names:
                return image
        return by_id[0] if len(by_id) == 1 and len(digits) >= 4 else None

    def list(self) -> Sequence[Image]:
        return list(self._images.values())

    async def pull(
        self, reference: str, auth: RegistryAuth | None = None, platform: str = ""
    ) -> AsyncIterator[Progress]:
        name = _parse(reference)
        self.pulls.append(reference)
        if name.domain == LOCAL_DOMAIN:
            if self.find(reference) is None:
                raise NotFound(what=f"image {name}", why="it is not in this machine's own store", fix="load it")
            yield Progress(status="It is here")
            return
        if self.is_unreachable:
            raise RegistryUnreachable(what=f"image {name}", why="there is no network", fix="")
        yield Progress(status="Pulling")
        if self.pull_gate is not None:
            await self.pull_gate.wait()
        offered = self._offered.get(str(name))
        if offered is None:
            raise NotFound(what=f"image {name}", why="the registry has no such image", fix="check the name")
        if offered[1] is not None and offered[1] != auth:
            raise Denied(what=f"image {name}", why="the registry refuses these credentials", fix="log in")
        self.put(str(name), offered[0])
        yield Progress(status="Pull complete", done_bytes=1000, total_bytes=1000)

    async def push(self, reference: str, auth: RegistryAuth | None = None) -> AsyncIterator[Progress]:
        name = _parse(reference)
        image = self.find(name.tagged)
        if image is None or name.digest:
            raise NotFound(what=f"tag does not exist: {reference}", why="", fix="")
        if self.is_unreachable:
            raise RegistryUnreachable(what=f"image {name}", why="there is no network", fix="")
        self._offered[str(name)] = (image.config, None)
        digest = image.digests[0].partition("@")[2]
        yield Progress(status="Pushed", layer=image.layers[0][7:19])
        yield Progress(status=f"{name.tag}: digest: {digest} size: 1000", total_bytes=1000, digest=digest)

    async def load(self, archive: str, platform: str = "") -> AsyncIterator[Progress]:
        # Reads only what `save` writes, which is all for one platform.
        if platform not in ("", "linux/amd64"):
            raise NotFound(what=f"archive {archive}", why=f"it has no image for {platform}", fix="")
        try:
            with tarfile.open(archive) as tar:  # blocking is fine in a fake
                member = tar.extractfile("fake.json")
                assert member is not None
                images = json.load(member)
        except (OSError, KeyError, tarfile.TarError) as error:
            raise Invalid(what=f"archive {archive}", why=str(error), fix="") from error
        for names, config in images:
            for name in names:
                self.put(name, msgspec.convert(config, ImageConfig))
                yield Progress(status=f"Loaded image: {name}")

    async def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        images = []
        for reference in references:
            image = self._want(reference)
            config = {name: getattr(image.config, name) for name in ImageConfig.__dataclass_fields__}
            images.append((image.names, config))
        content = json.dumps(images).encode()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            entry = tarfile.TarInfo("fake.json")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        yield buffer.getvalue()

    async def tag(self, source: str, target: str) -> None:
        self._name(self._want(source).id, _parse(target).tagged)

    async def remove(self, reference: str, *, keep_used: bool = False, orphans: bool = False) -> Sequence[str]:
        image = self._want(reference)
        is_id = reference.removeprefix("sha256:") in image.id
        names = image.names if is_id else (_parse(reference).tagged,)
        if image.id in self._in_use() and len(names) == len(image.names) and not keep_used:
            raise Conflict(what=f"image {reference}", why="a container uses it", fix="remove the container first")
        left = replace(image, names=tuple(name for name in image.names if name not in names))
        self._images[image.id] = left
        if left.names or image.id in self._in_use():
            return names
        del self._images[image.id]
        return (*names, image.id)

    def is_used(self, image: Image) -> bool:
        return image.id in self._in_use()

    def document(self, image: Image) -> bytes:
        layers = {"type": "layers", "diff_ids": list(image.layers)}
        return json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": layers}).encode()

    async def build_base(self, names: Sequence[str] = ()) -> Image:
        made = [self.put(name) for name in names or ["busybox:latest"]]
        return made[-1]

    async def commit(self, commit: Commit) -> Image:
        base = self._want(commit.base) if commit.base else None
        digest = hashlib.sha256(Path(commit.layer).read_bytes()).hexdigest()
        Path(commit.layer).unlink()
        made = self.put(commit.name or f"committed.local/{digest[:12]}")
        layers = (*(base.layers if base else ()), f"sha256:{digest}")
        self._images[made.id] = replace(made, layers=layers, created=commit.created)
        if not commit.name:
            self._images[made.id] = replace(self._images[made.id], names=())
        return self._images[made.id]

    async def layer_bytes(self, image: Image) -> Sequence[int]:
        return [
            sum(file.lstat().st_size for file in Path(path).rglob("*") if file.is_file() and not file.is_symlink())
            for path in self.layer_paths(image)
        ]

    def layer_paths(self, image: Image) -> Sequence[str]:
        return [str(self._folder / layer[7:]) for layer in image.layers]

    def _want(self, reference: str) -> Image:
        image = self.find(reference)
        if image is None:
            raise NotFound(what=f"image {reference}", why="there is no such image here", fix="pull it")
        return image

    def _name(self, image_id: str, name: str) -> None:
        for key, image in self._images.items():
            names = tuple(other for other in image.names if other != name)
            self._images[key] = replace(image, names=(*names, name) if key == image_id else names)


def _parse(reference: str) -> Reference:
    try:
        return parse_reference(reference)
    except ValueError as error:
        raise Invalid(what=f"image reference {reference!r}", why=str(error), fix="") from error
