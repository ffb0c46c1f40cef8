"""Making and removing containers for podman: image, pod, secrets, time zone, and then the engine.

Source: podman pkg/specgen/generate/container_create.go.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maru.components.podman.controllers.asking import Asking
from maru.components.podman.controllers.containers import Containers
from maru.components.podman.controllers.pods import Pods
from maru.components.podman.controllers.secrets import Secrets
from maru.components.podman.model.create import create_body
from maru.components.podman.model.inspect import View
from maru.components.podman.model.remembered import ANNOTATION, Remembered, kept
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, NotFound
from maru.wire.libpod.spec import ContainerSpec

ZONES = Path("/usr/share/zoneinfo")
LOCAL_TIME = "/etc/localtime"


@dataclass(frozen=True, slots=True)
class Creating:
    """Containers from SpecGenerators."""

    asking: Asking
    containers: Containers
    pods: Pods
    secrets: Secrets

    async def create(self, spec: ContainerSpec) -> str:
        """The id. Raises Invalid, NotFound, NotSupported, AlreadyExists; nothing half made is left."""
        share = self.pods.share(spec.pod) if spec.pod else None
        if not spec.image:
            raise Invalid(what="must specify a rootfs or image: an image or rootfs is needed", why="")
        remembered = Remembered()
        body = create_body(spec, self.containers.engine_name(spec.image), share, remembered)
        if spec.unsetenvall:
            image = self.containers.want_image(spec.image)
            named = {entry.partition("=")[0] for entry in body["Env"]}
            body["Env"] += [name for each in image.config.env if (name := each.partition("=")[0]) not in named]
        mounts, variables = await self.secrets.give(spec, remembered)
        try:
            body["HostConfig"]["Mounts"] += [*mounts, *await _zone(spec.timezone)]
            body["Env"] += [f"{name}={value}" for name, value in variables.items()]
            body["HostConfig"]["Annotations"][ANNOTATION] = kept(remembered)
            return await self.asking.create(body, spec.name)
        except BaseException:
            await asyncio.shield(self.secrets.take_back(remembered.secret_folder))
            raise

    async def remove(self, view: View, *, is_forced: bool, with_volumes: bool) -> None:
        """Raises Conflict where it runs and is not forced."""
        query = [("force", str(int(is_forced))), ("v", str(int(with_volumes)))]
        try:
            await self.asking.answer("DELETE", f"/containers/{view.id}", query)
        except Conflict as error:
            if "already in progress" not in str(error):
                raise
            with suppress(NotFound):  # it goes by itself, which is what was asked for
                await self.containers.until(view.id, "removed")
        await self.secrets.take_back(view.remembered.secret_folder)


async def _zone(name: str) -> list[Value]:
    """The mount that sets a container's time zone. Raises Invalid."""
    if not name:
        return []
    path = Path(LOCAL_TIME) if name == "local" else ZONES / name
    path = await asyncio.to_thread(path.resolve)
    if not path.is_relative_to(ZONES) or not await asyncio.to_thread(path.is_file):
        raise Invalid(what=f"finding timezone: unknown time zone {name}", why="")
    return [{"Type": "bind", "Source": str(path), "Target": LOCAL_TIME, "ReadOnly": True}]
