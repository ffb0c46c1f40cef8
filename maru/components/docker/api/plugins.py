"""Plugins: made from a folder, listed, shown and removed. None runs here, and enabling one says so.

Source: Docker Engine API v1.50, "Plugin"; moby plugin/backend_linux.go.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from maru.components.docker.api.edge import NO_CONTENT, filters_of, said
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.engine.tar_process import TarProcess
from maru.contracts.registry_client import RegistryClient
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Invalid, MaruError, NotFound, NotSupported
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.oci.reference import parse_reference

_RECORD = "plugin.json"


@dataclass(frozen=True, slots=True)
class PluginApi:
    """Each plugin is a folder: its record beside the config.json and the rootfs it was made from."""

    dock: Dock
    registries: RegistryClient

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/plugins", self.list),
            Route("GET", "/plugins/privileges", self.privileges),
            Route("POST", "/plugins/create", self.create),
            Route("POST", "/plugins/pull", self.refuse),
            Route("GET", "/plugins/{name}/json", self.inspect),
            Route("POST", "/plugins/{name}/enable", self.enable),
            Route("POST", "/plugins/{name}/disable", self.disable),
            Route("DELETE", "/plugins/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, ("capability", "enabled"))
        if filters.get("enabled", ["false"])[0] in ("1", "true"):
            return json_answer([])
        found = await asyncio.to_thread(self._all_blocking)
        wanted = filters.get("capability", ())
        return json_answer([each for each in found if not wanted or set(wanted) & _capabilities(each)])

    async def privileges(self, request: Request, _: str) -> Answer:
        """Nothing for a plugin that cannot be fetched, as dockerd has it."""
        remote = request.query_get("remote")
        try:
            await self.registries.describe(remote)
        except MaruError:
            return json_answer([])
        return await self.refuse(request, remote)

    async def refuse(self, _request: Request, _: str) -> Answer:
        raise NotSupported(
            what="plugin", why="plugins from registries are not run by Maru", fix="use a volume or network"
        )

    async def create(self, request: Request, _: str) -> Answer:
        name = _name(request.query_get("name"))
        if any(each["Name"] == name for each in await asyncio.to_thread(self._all_blocking)):
            raise said(AlreadyExists, f'plugin "{name}" already exists')
        plugin_id = (self.dock.ids.uid() + self.dock.ids.uid()).replace("-", "")
        folder = self._folder / plugin_id
        await asyncio.to_thread(folder.mkdir, 0o700, parents=True)
        try:
            async with TarProcess("unpack", str(folder), "/", "0", "") as process:
                async for chunk in request.chunks():
                    if not await process.write(chunk):
                        break
                process.end_input()
                await process.finish()
            record = await asyncio.to_thread(_record_blocking, folder, plugin_id, name)
        except BaseException as error:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            if isinstance(error, MaruError):
                raise said(Invalid, str(error)) from error
            raise
        self.dock.events.publish("plugin", "create", plugin_id, {"name": record["Name"]})
        return NO_CONTENT

    async def inspect(self, _: Request, name: str) -> Answer:
        return json_answer(await self._want(name))

    async def enable(self, _: Request, name: str) -> Answer:
        await self._want(name)
        raise NotSupported(what=f"enable {name}", why="plugins are not run by Maru", fix="use a built-in driver")

    async def disable(self, _: Request, name: str) -> Answer:
        plugin = await self._want(name)
        raise said(Invalid, f"plugin {plugin['Name']} is already disabled")

    async def remove(self, _: Request, name: str) -> Answer:
        plugin = await self._want(name)
        await asyncio.to_thread(shutil.rmtree, self._folder / plugin["Id"], ignore_errors=True)
        self.dock.events.publish("plugin", "remove", plugin["Id"], {"name": plugin["Name"]})
        return json_answer(plugin)

    @property
    def _folder(self) -> Path:
        return self.dock.folder / "plugins"

    async def _want(self, name: str) -> Value:
        found = await asyncio.to_thread(self._all_blocking)
        with suppress(Invalid):
            full = _name(name)
            for each in found:
                if each["Name"] == full:
                    return each
        fitting = [each for each in found if each["Id"].startswith(name)]
        if len(fitting) != 1:
            raise said(NotFound, f'plugin "{name}" not found')
        return fitting[0]

    def _all_blocking(self) -> Sequence[Value]:
        records = sorted(self._folder.glob(f"*/{_RECORD}"))
        found: list[Value] = [msgspec.json.decode(record.read_bytes()) for record in records]
        return found


def _record_blocking(folder: Path, plugin_id: str, name: str) -> Value:
    if not (folder / "rootfs").is_dir():
        raise Invalid(what="unable to find rootfs directory", why="")
    try:
        config: Value = msgspec.json.decode((folder / "config.json").read_bytes(), type=dict)
    except (OSError, msgspec.MsgspecError) as error:
        raise Invalid(what=f"config.json of the plugin cannot be read: {error}", why="") from error
    lower = {key.lower(): value for key, value in config.items()}
    shown = {key: lower.get(key.lower()) for key in ("Description", "Documentation", "Entrypoint", "WorkDir", "Env")}
    shown |= {key: lower.get(key.lower()) for key in ("Interface", "Network", "Linux", "Mounts", "Args", "User")}
    settings: Value = {"Mounts": [], "Env": [], "Args": [], "Devices": []}
    record: Value = {"Id": plugin_id, "Name": name, "Enabled": False, "Settings": settings, "Config": shown}
    fresh = folder / f"{_RECORD}.new"
    fresh.write_bytes(msgspec.json.encode(record))
    fresh.replace(folder / _RECORD)
    return record


def _capabilities(plugin: Value) -> set[str]:
    kinds = (plugin["Config"].get("Interface") or {}).get("types") or ()
    return {str(kind).partition(".")[2].partition("/")[0] for kind in kinds}


def _name(text: str) -> str:
    try:
        reference = parse_reference(text)
    except ValueError as error:
        raise said(Invalid, str(error)) from error
    return f"{reference.familiar_name}:{reference.tag}"
