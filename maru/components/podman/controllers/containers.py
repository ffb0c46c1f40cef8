"""Containers as podman sees them: the engine's own, with the words that podman has for them.

Source: podman pkg/domain/infra/abi/containers.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from maru.components.podman.controllers.asking import Asking
from maru.components.podman.model.images import digest_of
from maru.components.podman.model.inspect import View
from maru.components.podman.model.names import candidates
from maru.components.podman.model.stats import stats_value
from maru.contracts.image_store import Image, ImageStore
from maru.contracts.runtime import ContainerRuntime, ContainerState
from maru.core.clock import Clock
from maru.core.document import Value
from maru.core.errors import MaruError, NotFound
from maru.wire.libpod.faults import NO_IMAGE
from maru.wire.oci.reference import parse_reference

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Containers:
    """All of this engine, whoever made them."""

    asking: Asking
    images: ImageStore
    runtime: ContainerRuntime
    clock: Clock

    async def view(self, reference: str, *, with_size: bool = False) -> View:
        """Raises NotFound."""
        query = [("size", "1")] if with_size else []
        engine: Value = await self.asking.value("GET", f"/containers/{reference}/json", query)
        return self._view(engine)

    async def all(self, *, with_size: bool = False) -> Sequence[View]:
        """Newest first."""
        rows = await self.asking.rows("GET", "/containers/json", [("all", "1")])
        found = []
        for row in rows:
            with suppress(NotFound):  # it went meanwhile
                found.append(await self.view(row["Id"], with_size=with_size))
        return found

    async def id_of(self, reference: str) -> str:
        """Raises NotFound."""
        return (await self.view(reference)).id

    def find_image(self, reference: str) -> Image | None:
        """By any name, as podman completes it, or by its id."""
        reference = reference.removeprefix("docker://")
        for candidate in candidates(reference):
            with suppress(ValueError, MaruError):
                image = self.images.find(candidate)
                if image is not None:
                    return image
        return None

    def engine_name(self, reference: str) -> str:
        """What the engine finds the image by: its full name, or its id. Raises NotFound."""
        image = self.want_image(reference)
        for candidate in candidates(reference.removeprefix("docker://")):
            with suppress(ValueError):
                if parse_reference(candidate).tagged in image.names:
                    return parse_reference(candidate).tagged
        return image.id

    def want_image(self, reference: str) -> Image:
        """Raises NotFound."""
        image = self.find_image(reference)
        if image is None:
            raise NotFound(what=f"{reference}: {NO_IMAGE}", why="", cause=NO_IMAGE)
        return image

    def is_image(self, reference: str, image_id: str) -> bool:
        """Whether it means that image, or one that it stands on."""
        wanted, own = self.find_image(reference), self.images.find(image_id)
        if wanted is None or own is None:
            return False
        return own.id == wanted.id or own.layers[: len(wanted.layers)] == wanted.layers

    async def until(self, reference: str, condition: str) -> int:
        """The exit code once the engine's `condition` (not-running, removed) holds."""
        answer = await self.asking.answer("POST", f"/containers/{reference}/wait", [("condition", condition)])
        async for line in self.asking.lines(answer):
            return int(line["StatusCode"])
        return -1

    async def figures(self, views: Sequence[View]) -> list[Value]:
        """What those use that run, now."""
        found = []
        for view in views:
            if view.is_running:
                query = [("stream", "0"), ("one-shot", "1")]
                sample: Value = await self.asking.value("GET", f"/containers/{view.id}/stats", query)
                started_at = view.engine["State"]["StartedAt"]
                found.append(stats_value(view.name, started_at, sample, self.clock.now()))
        return found

    async def run_inside(self, container_id: str, words: Sequence[str]) -> int:
        """A command in a running container, to its end: its exit code. Raises Invalid, Conflict."""
        body: Value = {"Cmd": list(words)}
        made: Value = await self.asking.value("POST", f"/containers/{container_id}/exec", body=body)
        await self.asking.answer("POST", f"/exec/{made['Id']}/start", body={"Detach": True})
        while True:
            state: Value = await self.asking.value("GET", f"/exec/{made['Id']}/json")
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
            await self.clock.sleep(POLL_S)

    def _view(self, engine: Value) -> View:
        image = self.images.find(engine["Image"])
        status = self.runtime.find(engine["Id"])
        digest = digest_of(image) if image is not None else ""
        word = engine["State"]["Status"]
        if (
            word in ("created", "exited")
            and status is not None
            and status.pid
            and status.state is ContainerState.CREATED
        ):
            word = "initialized"
        words = {"restarting": "running", "dead": "exited"}
        return View(
            engine,
            words.get(word, word),
            _full_name(str(engine["Config"].get("Image") or ""), image),
            digest,
            status.root_path if status is not None else "",
        )


def _full_name(named: str, image: Image | None) -> str:
    """The full name that a container's image was named by, or has now."""
    with suppress(ValueError):
        reference = parse_reference(named)
        bare_id = image.id.removeprefix("sha256:") if image is not None else "-"
        if not bare_id.startswith(named.removeprefix("sha256:")) and reference.tag:
            return reference.tagged
    return image.names[0] if image is not None and image.names else named
