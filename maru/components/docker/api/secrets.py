"""Secrets and configs. What a secret holds is never shown again, what a config holds is.

Source: Docker Engine API v1.50, "Secret" and "Config"; moby/swarmkit, manager/controlapi/secret.go, config.go.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import NO_CONTENT, body_of, filters_of, said
from maru.components.docker.api.swarm import index_of
from maru.components.docker.controllers.swarm.files import decoded
from maru.components.docker.controllers.swarm.house import House
from maru.components.docker.controllers.swarm.shelves import Shelf
from maru.components.docker.model.swarm import listing
from maru.components.docker.model.swarm.entries import Entry, new_id, shown, without_nulls
from maru.components.docker.model.swarm.names import in_go_case
from maru.components.docker.model.swarm.specs import refused
from maru.core.document import Value
from maru.core.errors import NotSupported
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route

SECRET, CONFIG = "secret", "config"
_BYTES_MAX = {SECRET: 500 * 1024, CONFIG: 1000 * 1024}
_NAME = re.compile(r"[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?")


@dataclass(frozen=True, slots=True)
class SecretApi:
    """noun: secret or config."""

    house: House
    noun: str

    def routes(self) -> Sequence[Route]:
        base = f"/{self.noun}s"
        return (
            Route("GET", base, self.list),
            Route("POST", f"{base}/create", self.create),
            Route("POST", f"{base}/{{name}}/update", self.update),
            Route("GET", f"{base}/{{name}}", self.inspect),
            Route("DELETE", f"{base}/{{name}}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, listing.SECRETS)
        found = [each for each in self._shelf().all() if listing.accepts_secret(each, filters)]
        return json_answer([self._value(each) for each in found])

    async def create(self, request: Request, _: str) -> Answer:
        body, shelf = await body_of(request), self._shelf()
        if body.get("Driver"):
            raise said(NotSupported, f"{self.noun} drivers are not supported by Maru")
        given = in_go_case(without_nulls(body))
        assert isinstance(given, dict)
        plain = decoded(str(given.pop("Data", "")))
        spec: Value = {"Labels": {}, **given}
        self._check(str(spec.get("Name") or ""), plain)
        if any(entry.name == spec["Name"] for entry in shelf.all()):
            raise refused(f"{self.noun} {spec['Name']} already exists", "AlreadyExists", 409)
        sealed = self.house.payloads.sealed(spec["Name"], plain, self.noun)
        entry = await shelf.create(new_id(self.house.dock.ids.uid()), spec, {"sealed": sealed})
        self._tell(entry, "create")
        return json_answer({"ID": entry.id}, 201)

    async def inspect(self, _request: Request, name: str) -> Answer:
        return json_answer(self._value(self._shelf().find(name)))

    async def update(self, request: Request, name: str) -> Answer:
        entry = self._shelf().find(name)
        given = in_go_case(without_nulls(await body_of(request)))
        assert isinstance(given, dict)
        encoded = given.pop("Data", None)
        is_same = {**given, "Labels": None} == {**entry.spec, "Labels": None}
        if not is_same or (encoded and decoded(str(encoded)) != self.house.payloads.of(entry, self.noun)):
            raise refused("only updates to Labels are allowed")
        updated = await self._shelf().replace(entry, {"Labels": {}, **given}, entry.status, index_of(request))
        self._tell(updated, "update")
        return Answer(200)

    async def remove(self, _request: Request, name: str) -> Answer:
        entry = self._shelf().find(name)
        services = self.house.membership.shelves.services.all()
        users = [each.name for each in services if entry.id in _references(each, self.noun)]
        if users:
            word = "service" if len(users) == 1 else "services"
            raise refused(f"{self.noun} '{entry.name}' is in use by the following {word}: {', '.join(users)}")
        await self._shelf().delete(entry.id)
        self._tell(entry, "remove")
        return NO_CONTENT

    def _shelf(self) -> Shelf:
        membership = self.house.membership
        assert membership.cluster
        return membership.shelves.secrets if self.noun == SECRET else membership.shelves.configs

    def _value(self, entry: Entry) -> Value:
        value = shown(entry)
        if self.noun == CONFIG:
            plain = self.house.payloads.of(entry, CONFIG)
            value["Spec"] = {**entry.spec, "Data": base64.b64encode(plain).decode()}
        return value

    def _check(self, name: str, plain: bytes) -> None:
        if not _NAME.fullmatch(name) or len(name) > 64:
            raise refused(
                "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be "
                "[a-zA-Z0-9]"
            )
        most = _BYTES_MAX[self.noun]
        if not 0 < len(plain) < most:
            raise refused(f"{self.noun} data must be larger than 0 and less than {most} bytes")

    def _tell(self, entry: Entry, action: str) -> None:
        self.house.dock.events.publish(self.noun, action, entry.id, {"name": entry.name})


def _references(service: Entry, noun: str) -> Sequence[str]:
    container = (service.spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    return [str(each.get(f"{noun.capitalize()}ID")) for each in container.get(f"{noun.capitalize()}s") or ()]
