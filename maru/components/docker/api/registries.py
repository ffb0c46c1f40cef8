"""Registries over the Engine API: login, what a name stands for there, and search.

Source: Docker Engine API v1.50, SystemAuth, DistributionInspect, ImageSearch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import body_of, filters_of, said
from maru.components.docker.api.progress import credentials
from maru.contracts.image_store import RegistryAuth
from maru.contracts.registry_client import Found, RegistryClient
from maru.core.document import Value
from maru.core.errors import Denied, Invalid, Unauthenticated
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import Filters, boolean

COUNT_DEFAULT, COUNT_MAX = 25, 100
_HUB_NAMES = ("", "docker.io", "index.docker.io", "registry-1.docker.io")
SEARCH_FILTERS = ("is-automated", "is-official", "stars")


@dataclass(frozen=True, slots=True)
class RegistryApi:
    """Questions that a registry answers, not this machine."""

    registries: RegistryClient

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/auth", self.log_in),
            Route("GET", "/distribution/{name}/json", self.describe),
            Route("GET", "/images/search", self.search),
        )

    async def log_in(self, request: Request, _: str) -> Answer:
        body = await body_of(request)
        names = ("Username", "Password", "Identitytoken")
        username, password, token = (str(body.get(name) or body.get(name.lower()) or "") for name in names)
        domain = _domain(str(body.get("Serveraddress") or body.get("ServerAddress") or ""))
        token = await self.registries.log_in(domain, RegistryAuth(username, password, token))
        return json_answer({"Status": "Login Succeeded", "IdentityToken": token})

    async def describe(self, request: Request, name: str) -> Answer:
        try:
            remote = await self.registries.describe(name, credentials(request.headers.get("X-Registry-Auth", "")))
        except Denied as error:
            raise said(Unauthenticated, str(error)) from error
        platforms = [
            {"architecture": each.architecture, "os": each.os} | ({"variant": each.variant} if each.variant else {})
            for each in remote.platforms
        ]
        descriptor = {"mediaType": remote.media_type, "digest": remote.digest, "size": remote.size_bytes}
        return json_answer({"Descriptor": descriptor, "Platforms": platforms})

    async def search(self, request: Request, _: str) -> Answer:
        term = request.query_get("term")
        if not term:
            raise said(Invalid, "invalid reference format")
        if "://" in term:
            address = "/".join(term.split("/")[:3])
            words = f"invalid repository name ({address}), must not contain a scheme"
            raise said(Invalid, f"invalid reference format: {words}")
        count = _count(request.query_get("limit"))
        filters = filters_of(request, SEARCH_FILTERS)
        try:
            wanted = _Wanted.of(filters)
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        auth = credentials(request.headers.get("X-Registry-Auth", ""))
        found = await self.registries.search(term, count, auth)
        return json_answer([_shown(each) for each in found if wanted.accepts(each)][:count])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the filters of a search ask for; None for either."""

    is_automated: bool | None
    is_official: bool | None
    stars_min: int

    @classmethod
    def of(cls, filters: Filters) -> _Wanted:
        """Raises ValueError."""
        stars = 0
        for text in filters.get("stars", ()):
            if not text.isdecimal():
                raise ValueError(f"invalid filter 'stars=[{text}]'")
            stars = max(stars, int(text))
        return cls(boolean(filters, "is-automated"), boolean(filters, "is-official"), stars)

    def accepts(self, found: Found) -> bool:
        """Whether it is shown."""
        if self.is_automated is not None and found.is_automated != self.is_automated:
            return False
        if self.is_official is not None and found.is_official != self.is_official:
            return False
        return found.stars >= self.stars_min


def _shown(found: Found) -> Value:
    return {
        "star_count": found.stars,
        "is_official": found.is_official,
        "name": found.name,
        "is_automated": found.is_automated,
        "description": found.description,
    }


def _count(text: str) -> int:
    if not text or text == "0":
        return COUNT_DEFAULT
    try:
        count = int(text)
    except ValueError as error:
        raise said(Invalid, f'strconv.Atoi: parsing "{text}": invalid syntax') from error
    if not 1 <= count <= COUNT_MAX:
        raise said(Invalid, f"limit {count} is outside the range of [1, {COUNT_MAX}]")
    return count


def _domain(address: str) -> str:
    """A registry as `docker login` names it: with or without a scheme and the path of the first protocol."""
    domain = address.partition("://")[2] if "://" in address else address
    domain = domain.partition("/")[0]
    return "" if domain in _HUB_NAMES else domain
