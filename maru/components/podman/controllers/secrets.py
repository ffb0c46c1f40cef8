"""Secrets: sealed in the store, and files of a container that asks for them.

As podman does, the files lie in a folder of the container's own, which goes with it.
Source: containers/common pkg/secrets; podman libpod/container_internal_common.go.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.components.podman.model.definitions import Secret
from maru.components.podman.model.remembered import Remembered
from maru.contracts.sealer import Sealer
from maru.core.clock import Clock, rfc3339
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Invalid, NotFound, NotSupported
from maru.core.ids import Ids
from maru.core.kept import Kept
from maru.wire.docker.names import is_name
from maru.wire.libpod.faults import NO_SECRET
from maru.wire.libpod.spec import ContainerSpec, SecretUse

BYTES_MAX = 512_000
ID_DIGITS = 25
FOLDER = "/run/secrets"


class Secrets:
    """All of them. folder: of the files that containers have."""

    def __init__(self, kept: Kept[Secret], sealer: Sealer, folder: Path, clock: Clock, ids: Ids) -> None:
        self._kept = kept
        self._sealer = sealer
        self._folder = folder
        self._clock = clock
        self._ids = ids

    def all(self) -> Sequence[Secret]:
        """Ascending by name."""
        return sorted(self._kept.list(), key=lambda secret: secret.name)

    def want(self, reference: str) -> Secret:
        """By name, id, or the beginning of an id that only one has. Raises NotFound."""
        everything = self._kept.list()
        named = [secret for secret in everything if reference in (secret.name, secret.id)]
        found = named or [secret for secret in everything if reference and secret.id.startswith(reference)]
        if len(found) != 1:
            words = f"no secret with name or id {reference!r}"
            raise NotFound(what=f"{words}: {NO_SECRET}", why="", cause=NO_SECRET)
        return found[0]

    def opened(self, secret: Secret) -> bytes:
        """Its bytes."""
        return self._sealer.open(base64.b64decode(secret.sealed), secret.id.encode())

    async def create(self, wish: Value, content: bytes, *, is_replaced: bool = False) -> Secret:
        """wish: name, driver, options, labels. Raises Invalid, AlreadyExists, NotSupported."""
        name, driver = str(wish.get("name") or ""), str(wish.get("driver") or "file")
        if not is_name(name) or "/" in name or len(name) > 253:
            raise Invalid(what=f"secret name {name!r} can not include '=', '/', ',', or the NULL byte", why="")
        if driver != "file":
            raise NotSupported(what=f"secret driver {driver!r} is not supported", why="", fix="use file")
        if not 0 < len(content) < BYTES_MAX:
            raise Invalid(what=f"secret data must be larger than 0 and less than {BYTES_MAX} bytes", why="")
        known = next((secret for secret in self._kept.list() if secret.name == name), None)
        if known is not None and not is_replaced:
            raise AlreadyExists(what=f"{name}: secret name in use", why="", cause="secret name in use", status=500)
        if known is not None:
            await self.remove(known)
        secret_id = self._ids.uid().replace("-", "")[:ID_DIGITS]
        now = rfc3339(self._clock.now())
        sealed = base64.b64encode(self._sealer.seal(content, secret_id.encode())).decode()
        secret = Secret(secret_id, name, now, now, sealed, driver, wish.get("options") or {}, wish.get("labels") or {})
        await self._kept.create({"metadata": {"name": secret_id}, "spec": msgspec.to_builtins(secret)})
        return secret

    async def remove(self, secret: Secret) -> None:
        """Containers keep their files of it. Raises NotFound."""
        await self._kept.delete("", secret.id)

    async def give(self, spec: ContainerSpec, remembered: Remembered) -> tuple[list[Value], dict[str, str]]:
        """Mounts and variables of the secrets that a container asks for. Raises NotFound."""
        variables = {}
        for variable, reference in (spec.secret_env or {}).items():
            variables[variable] = self.opened(self.want(reference)).decode(errors="surrogateescape")
        remembered.secret_env = sorted(variables)
        uses = [(use, self.want(use.source)) for use in spec.secrets or ()]
        if not uses:
            return [], variables
        folder = self._folder / self._ids.uid()
        remembered.secret_folder = str(folder)
        mounts: list[Value] = []
        for place, (use, secret) in enumerate(uses):
            mode = use.mode or 0o444
            await asyncio.to_thread(_write_blocking, folder / str(place), self.opened(secret), use, mode)
            target = use.target or secret.name
            target = target if target.startswith("/") else f"{FOLDER}/{target}"
            mounts.append({"Type": "bind", "Source": str(folder / str(place)), "Target": target, "ReadOnly": True})
            shown = {"Name": secret.name, "ID": secret.id, "UID": use.uid, "GID": use.gid, "Mode": mode}
            remembered.secrets.append(shown)
        return mounts, variables

    async def take_back(self, folder: str) -> None:
        """The files of a container that is gone. Idempotent."""
        if folder and Path(folder).parent == self._folder:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def sweep(self, used: Sequence[str]) -> None:
        """Take away the folders that no container has any more."""
        await asyncio.to_thread(self._folder.mkdir, mode=0o711, parents=True, exist_ok=True)
        for folder in await asyncio.to_thread(lambda: list(self._folder.iterdir())):
            if str(folder) not in used:
                await self.take_back(str(folder))


def _write_blocking(path: Path, content: bytes, use: SecretUse, mode: int) -> None:
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    os.chown(path, use.uid, use.gid)
    path.chmod(mode)
