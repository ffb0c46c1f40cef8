"""Manifest lists: create, inspect, exists, modify, remove. Source: podman 5.5 API reference, "manifests"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.podman.api.edge import NO_CONTENT, body_of, is_true, said, values
from maru.components.podman.controllers.manifests import Manifests, shown
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route


@dataclass(frozen=True, slots=True)
class ManifestApi:
    """One method for each operation; those of podman 3 that its later clients still send, too."""

    manifests: Manifests

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/manifests/{name}/json", self.inspect),
            Route("GET", "/manifests/{name}/exists", self.exists),
            Route("POST", "/manifests/{name}/registry/{name}", self.push),
            Route("POST", "/manifests/{name}/push", self.push),
            Route("POST", "/manifests/{name}/add", self.modify),
            Route("PUT", "/manifests/{name}", self.modify),
            Route("POST", "/manifests/{name}", self.create),
            Route("DELETE", "/manifests/{name}", self.remove),
        )

    async def create(self, request: Request, name: str) -> Answer:
        if name == "create":
            name = request.query_get("name")
        body = await _wish(request)
        images = [*values(request, "images"), *values(request, "image"), *(body.get("images") or ())]
        if is_true(request, "amend") and self.manifests.find(name) is not None:
            listed = self.manifests.want(name)
        else:
            found = [self.manifests.containers.want_image(each) for each in images]
            for image in found:
                await self.manifests.entry(image)
            listed = await self.manifests.create(name)
        await self.manifests.add(listed, images, body)
        return json_answer({"Id": listed.id}, 201)

    async def inspect(self, _: Request, name: str) -> Answer:
        """Of an image that is here, too: a list of one."""
        listed = self.manifests.find(name)
        if listed is not None:
            return json_answer(shown(listed.entries, listed.annotations))
        return json_answer(shown([await self.manifests.entry(self.manifests.containers.want_image(name))]))

    async def exists(self, _: Request, name: str) -> Answer:
        self.manifests.want(name)
        return NO_CONTENT

    async def modify(self, request: Request, name: str) -> Answer:
        listed = self.manifests.want(name)
        body = await _wish(request)
        images = [str(each) for each in body.get("images") or ()]
        operation = str(body.get("operation") or "update")
        if operation == "update":
            listed = await self.manifests.add(listed, images, body)
        elif operation == "remove":
            listed = await self.manifests.drop(listed, images)
        elif operation == "annotate":
            listed = await self.manifests.annotate(listed, images, body)
        else:
            raise said(Invalid, f"invalid operation {operation!r}")
        return json_answer({"Id": listed.id, "images": images, "errors": []})

    async def remove(self, request: Request, name: str) -> Answer:
        listed = self.manifests.want(name)
        digest = request.query_get("digest")
        if digest:
            listed = await self.manifests.drop(listed, [digest])
            return json_answer({"Id": listed.id})
        await self.manifests.remove(listed)
        return json_answer({"Untagged": [listed.name], "Deleted": [listed.id], "Errors": [], "ExitCode": 0})

    async def push(self, _: Request, name: str) -> Answer:
        self.manifests.want(name.partition("/registry/")[0])
        raise NotSupported(what="manifest lists are not pushed", why="", fix="push the images one by one")


async def _wish(request: Request) -> Value:
    """The body, whose names podman 4 writes in another case than podman-py. Raises Invalid."""
    return {name.lower(): value for name, value in (await body_of(request)).items()}
