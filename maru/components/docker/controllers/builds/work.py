"""What the steps of one build share: its options and arguments, its folder, its voice, and images made.

Source: moby builder/dockerfile/internals.go.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from maru.components.docker.controllers.dock import OWNER, Dock
from maru.components.docker.engine.changes import layer_blocking
from maru.components.docker.model.builds.arguments import Arguments
from maru.components.docker.model.builds.config import Draft
from maru.components.docker.model.builds.options import BuildOptions, is_this
from maru.contracts.image_store import Commit, Image
from maru.contracts.runtime import ContainerSpec
from maru.core.clock import rfc3339_micro
from maru.core.document import Value
from maru.core.errors import Denied, Invalid, NotFound
from maru.wire.oci.manifest import platform_of
from maru.wire.oci.reference import parse_reference

SHORT = slice(7, 19)  # of sha256:..., what people see
Say = Callable[[Value], Awaitable[None]]


@dataclass(slots=True)
class Work:
    """folder: of this build, gone with it; say: one line of progress. escape: of the Dockerfile.

    stages: id of the image of each stage that is done, by number and name. cached: what may be used again,
    None for everything. taken: ids of the images it stands on so far. beneath: that of the last stage, "" for none.
    """

    dock: Dock
    options: BuildOptions
    folder: Path
    say: Say
    escape: str
    arguments: Arguments
    stages: dict[str, str] = field(default_factory=dict)
    cached: frozenset[str] | None = None
    taken: set[str] = field(default_factory=set)
    beneath: str = ""

    @property
    def context(self) -> str:
        """The folder of what the caller sent."""
        return str(self.folder / "context")

    async def tell(self, text: str) -> None:
        await self.say({"stream": text})

    def variables(self, draft: Draft) -> dict[str, str]:
        """What instructions put in for names: the environment wins over arguments."""
        return {**self.arguments.declared(), **draft.environment}

    def want(self, image_id: str) -> Image:
        image = self.dock.images.find(image_id)
        if image is None:
            raise NotFound(what=f"No such image: {image_id}", why="")
        return image

    async def base(self, reference: str, platform: str) -> Image:
        """An image to stand on: here already, or pulled. Raises NotFound, Invalid, Unavailable."""
        own = platform_of(os.uname().machine)
        if platform and not is_this(platform, f"{own.os}/{own.architecture}"):
            raise NotFound(what=f"no match for platform in manifest: {reference} for {platform}", why="")
        image = self.dock.images.find(reference)
        if image is not None and not self.options.is_pulled:
            return image
        try:
            parsed = parse_reference(reference)
        except ValueError as error:
            raise Invalid(what="invalid reference format", why="") from error
        try:
            async for step in self.dock.images.pull(reference, self.options.auth_for(parsed.domain)):
                line: Value = {"status": step.status, "progressDetail": {}}
                if step.layer:
                    line["id"] = step.layer
                if step.total_bytes:
                    line["progressDetail"] = {"current": step.done_bytes, "total": step.total_bytes}
                await self.say(line)
        except Denied as error:
            words = "repository does not exist or may require 'docker login'"
            raise NotFound(
                what=f"pull access denied for {parsed.familiar_name}, {words}", why=f"denied: {error.why}"
            ) from error
        return self.want(reference)

    async def find_cached(self, draft: Draft, step: str) -> bool:
        """Take the image that this very step made before, if there is one; say so."""
        if self.options.is_uncached:
            return False
        image = next((image for image in self.dock.images.list() if image.step == step), None)
        if image is None or (self.cached is not None and image.id not in self.cached):
            return False
        await self.tell(" ---> Using cache\n")
        draft.image = image.id
        self.taken.add(image.id)
        return True

    def step_of(self, draft: Draft, *words: str) -> str:
        """What stands for a step on an image: the same words on the same image give the same."""
        return hashlib.sha256(json.dumps([draft.image, *words]).encode()).hexdigest()

    async def commit(self, draft: Draft, created_by: str, step: str, layer: str = "") -> None:
        """The draft becomes an image, with what is in `layer` (a tar, or nothing)."""
        image = await self.dock.images.commit(
            Commit(
                base=draft.image,
                layer=layer,
                config=draft.config,
                author=draft.author,
                created=rfc3339_micro(self.dock.clock.now()),
                created_by=created_by,
                step=step,
            )
        )
        draft.image = image.id
        self.taken.add(image.id)

    def new_path(self, suffix: str) -> Path:
        return self.folder / f"{self.dock.ids.uid()}{suffix}"

    async def layer_of(self, root: str) -> str:
        """The changes in a root as a tar."""
        layer = str(self.new_path(".tar"))
        await asyncio.to_thread(layer_blocking, root, layer)
        return layer

    @asynccontextmanager
    async def laid_out(self, image_id: str) -> AsyncIterator[str]:
        """The root of an image as it can be read and written; gone afterwards. "" for an empty one."""
        if not image_id:
            root = self.new_path("") / "upper"
            await asyncio.to_thread(root.mkdir, parents=True)
            yield str(root)
            return
        layers = self.dock.images.layer_paths(self.want(image_id))
        if not layers:
            async with self.laid_out("") as empty:
                yield empty
            return
        container_id = (self.dock.ids.uid() + self.dock.ids.uid() + self.dock.ids.uid()).replace("-", "")[:64]
        spec = ContainerSpec(container_id, OWNER, layers, {"process": {}}, is_laid_out_only=True, image=image_id)
        status = await self.dock.runtime.create(spec)
        try:
            yield status.root_path
        finally:
            await asyncio.shield(self.dock.runtime.remove(container_id))

    def document(self, image: Image) -> Value:
        """The image's configuration as stored. Blocking, and small."""
        document: Value = msgspec.json.decode(self.dock.images.document(image))
        return document
