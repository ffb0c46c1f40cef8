"""Secrets: create, list, inspect, exists, remove. Source: podman 5.5 API reference, "secrets"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from maru.components.podman.api.edge import NO_CONTENT, filters_of, is_true, said
from maru.components.podman.controllers.secrets import BYTES_MAX, Secrets
from maru.components.podman.model.definitions import Secret
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route


@dataclass(frozen=True, slots=True)
class SecretApi:
    """One method for each operation."""

    secrets: Secrets

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/secrets/json", self.list),
            Route("POST", "/secrets/create", self.create),
            Route("GET", "/secrets/{name}/json", self.inspect),
            Route("GET", "/secrets/{name}/exists", self.exists),
            Route("DELETE", "/secrets/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, ("name", "id"))
        names, ids = filters.get("name"), filters.get("id")
        found = [
            secret
            for secret in self.secrets.all()
            if (not names or any(each in secret.name for each in names))
            and (not ids or any(secret.id.startswith(each) for each in ids))
        ]
        return json_answer([_shown(secret) for secret in found])

    async def create(self, request: Request, _: str) -> Answer:
        wish = {
            "name": request.query_get("name"),
            "driver": request.query_get("driver"),
            "options": _map(request.query_get("driveropts")),
            "labels": _map(request.query_get("labels")),
        }
        content = await request.body(BYTES_MAX)
        secret = await self.secrets.create(wish, content, is_replaced=is_true(request, "replace"))
        return json_answer({"ID": secret.id})

    async def inspect(self, request: Request, name: str) -> Answer:
        secret = self.secrets.want(name)
        shown = _shown(secret)
        if is_true(request, "showsecret"):
            shown["SecretData"] = self.secrets.opened(secret).decode(errors="replace")
        return json_answer(shown)

    async def exists(self, _: Request, name: str) -> Answer:
        self.secrets.want(name)
        return NO_CONTENT

    async def remove(self, request: Request, name: str) -> Answer:
        for secret in self.secrets.all() if is_true(request, "all") else [self.secrets.want(name)]:
            await self.secrets.remove(secret)
        return NO_CONTENT


def _shown(secret: Secret) -> Value:
    return {
        "ID": secret.id,
        "CreatedAt": secret.created,
        "UpdatedAt": secret.updated,
        "Spec": {
            "Name": secret.name,
            "Driver": {"Name": secret.driver, "Options": secret.options},
            "Labels": secret.labels,
        },
    }


def _map(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise said(Invalid, f"failed to parse parameters: {error}") from error
