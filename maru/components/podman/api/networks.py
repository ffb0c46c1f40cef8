"""Networks: create, list, inspect, exists, connect, disconnect, update, remove, prune.

podman's are the engine's; host and none are modes of podman, no networks.
Source: podman 5.5 API reference, "networks"; containers/common libnetwork/types/network.go.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from maru.components.podman.api.edge import NO_CONTENT, body_of, filters_of, is_true, said
from maru.components.podman.api.views import Podman
from maru.components.podman.model.names import engine_network, podman_network
from maru.components.podman.model.networks import KNOWN, engine_body, network_value, selected
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, MaruError, NotFound, NotSupported
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import Filters
from maru.wire.docker.moments import moment_of, parse_moment


@dataclass(frozen=True, slots=True)
class NetworkApi:
    """One method for each operation."""

    podman: Podman

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/networks/json", self.list),
            Route("POST", "/networks/create", self.create),
            Route("POST", "/networks/prune", self.prune),
            Route("GET", "/networks/{name}/json", self.inspect),
            Route("GET", "/networks/{name}/exists", self.exists),
            Route("POST", "/networks/{name}/connect", self.connect),
            Route("POST", "/networks/{name}/disconnect", self.disconnect),
            Route("POST", "/networks/{name}/update", self.update),
            Route("GET", "/networks/{name}", self.inspect),
            Route("DELETE", "/networks/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        return json_answer(selected(await self._all(), filters_of(request, KNOWN)))

    async def inspect(self, _: Request, name: str) -> Answer:
        return json_answer(network_value(await self._want(name), with_containers=True))

    async def exists(self, _: Request, name: str) -> Answer:
        await self._want(name)
        return NO_CONTENT

    async def create(self, request: Request, _: str) -> Answer:
        body = await body_of(request)
        name = str(body.get("name") or "")
        if name:
            with suppress(NotFound):
                found = await self._want(name)
                if is_true(request, "ignoreIfExists") or body.get("ignore_if_exists"):
                    return json_answer(network_value(found, with_containers=False))
                cause = "network already exists"
                raise said(Conflict, f"network name {name} already used", cause)
        else:
            taken = {network["name"] for network in await self._all()}
            name = next(each for number in range(1, 1 << 20) if (each := f"podman{number}") not in taken)
        await self.podman.asking.value("POST", "/networks/create", body=engine_body(name, body))
        return json_answer(network_value(await self._want(name), with_containers=False))

    async def remove(self, request: Request, name: str) -> Answer:
        """With force, with the containers that are on it."""
        network = await self._want(name)
        shown = podman_network(network["Name"])
        if is_true(request, "force"):
            for view in await self.podman.containers.all():
                if network["Name"] in (view.engine["NetworkSettings"].get("Networks") or {}):
                    with suppress(NotFound):
                        await self.podman.creating.remove(view, is_forced=True, with_volumes=False)
        if network["Name"] == engine_network("podman"):
            raise said(Invalid, f"default network {shown} cannot be removed")
        try:
            await self.podman.asking.answer("DELETE", f"/networks/{network['Name']}")
        except MaruError as error:
            words = f"{shown!r} has associated containers with it. Use -f to forcibly delete containers and pods"
            raise said(Conflict, f'"{words}"', "network is being used") from error
        return json_answer([{"Name": shown, "Err": None}])

    async def connect(self, request: Request, name: str) -> Answer:
        """Both shapes that clients send: libpod's, and the one of docker's endpoint."""
        network = await self._want(name)
        body = await body_of(request)
        container = str(body.get("container") or body.get("Container") or "")
        if body.get("interface_name"):
            raise NotSupported(what="names of network interfaces are not supported", why="", fix="leave it out")
        settings: Value = dict(body.get("EndpointConfig") or {})
        settings.pop("Links", None)
        addresses = body.get("static_ips") or []
        if addresses:
            settings["IPAMConfig"] = {
                "IPv4Address": next((each for each in addresses if ":" not in each), ""),
                "IPv6Address": next((each for each in addresses if ":" in each), ""),
            }
        if body.get("aliases"):
            settings["Aliases"] = body["aliases"]
        if body.get("static_mac"):
            settings["MacAddress"] = body["static_mac"]
        asked = {"Container": container, "EndpointConfig": settings}
        await self.podman.asking.answer("POST", f"/networks/{network['Name']}/connect", body=asked)
        return Answer(200)

    async def disconnect(self, request: Request, name: str) -> Answer:
        network = await self._want(name)
        body = await body_of(request)
        asked = {"Container": str(body.get("Container") or ""), "Force": bool(body.get("Force"))}
        await self.podman.asking.answer("POST", f"/networks/{network['Name']}/disconnect", body=asked)
        return Answer(200)

    async def update(self, _: Request, name: str) -> Answer:
        await self._want(name)
        raise NotSupported(what="DNS servers of a network cannot be changed", why="", fix="give --dns to containers")

    async def prune(self, request: Request, _: str) -> Answer:
        return json_answer(await self.pruned(filters_of(request, ("until", "label", "label!"))))

    async def pruned(self, filters: Filters) -> Sequence[Value]:
        """Those that no container joins."""
        now = self.podman.clock.now()
        used = {
            name
            for view in await self.podman.containers.all()
            for name in view.engine["NetworkSettings"]["Networks"] or ()
        }
        reports: builtins.list[Value] = []
        for network in selected(await self._all(), {key: filters[key] for key in filters if key != "until"}):
            name = network["name"]
            if name == "podman" or name in used or not _is_before(network["created"], filters.get("until", ()), now):
                continue
            try:
                await self.podman.asking.answer("DELETE", f"/networks/{name}")
                reports.append({"Name": name, "Error": None})
            except MaruError as error:
                reports.append({"Name": name, "Error": str(error)})
        return reports

    async def _all(self) -> Sequence[Value]:
        found = await self.podman.asking.rows("GET", "/networks")
        return [network_value(each, with_containers=False) for each in found if each["Name"] not in ("host", "none")]

    async def _want(self, name: str) -> Value:
        try:
            found: Value = await self.podman.asking.value("GET", f"/networks/{engine_network(name)}")
        except NotFound as error:
            raise said(NotFound, f"unable to find network with name or ID {name}", "network not found") from error
        if found["Name"] in ("host", "none"):
            raise said(NotFound, f"unable to find network with name or ID {name}", "network not found")
        return found


def _is_before(created: str, untils: Sequence[str], now: datetime) -> bool:
    moment = moment_of(created)
    try:
        return all(moment is not None and moment < parse_moment(text, now) for text in untils)
    except ValueError as error:
        raise said(Invalid, str(error)) from error
