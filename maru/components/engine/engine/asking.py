"""Registries asked about what is not here: a name's manifest, credentials, and a search.

Searching is the first registry protocol's, the only one that has it; the Hub's is its index's.
Source: contracts/registry_client.py; docker/registry's v1 search API; the token specification's `offline_token`.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode, urljoin

import aiohttp
import msgspec

from maru.components.engine.engine.index import parse
from maru.components.engine.engine.registry import ERROR_BYTES_MAX, Registries, Repository, basic
from maru.components.engine.engine.transfer import understood
from maru.contracts.image_store import RegistryAuth
from maru.contracts.registry_client import Found, ImagePlatform, RegistryRules, Remote
from maru.core.document import Value
from maru.core.errors import Denied, Invalid, MaruError, NotFound, Unavailable
from maru.wire.oci.challenge import Challenge, parse_challenges
from maru.wire.oci.manifest import MANIFEST_BYTES_MAX, Index, Platform, parse_manifest
from maru.wire.oci.reference import DEFAULT_DOMAIN, Reference

INDEX = "https://index.docker.io"  # where the Hub is searched
SEARCH_BYTES_MAX = 4 << 20
_OFFICIAL = "library/"


class Asker:
    """The contract `RegistryClient`."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    @property
    def rules(self) -> RegistryRules:
        return RegistryRules(tuple(self._registries.mirrors), tuple(sorted(self._registries.insecure)))

    async def describe(self, reference: str, auth: RegistryAuth | None = None) -> Remote:
        wanted = parse(reference)
        *mirrors, own = self._registries.sources(wanted)
        for mirror in mirrors:
            try:
                return await self._describe(wanted, auth or RegistryAuth(), mirror)
            except MaruError:  # the next one may have it, as with a pull
                continue
        return await self._describe(wanted, auth or RegistryAuth(), own)

    async def _describe(self, wanted: Reference, auth: RegistryAuth, mirror: str) -> Remote:
        with understood(wanted):
            async with self._registries.repository(wanted, auth, mirror=mirror) as repository:
                body, digest = await repository.fetch_manifest(wanted.version)
                try:
                    found = parse_manifest(body)
                except ValueError as error:
                    raise Invalid(what=f"image {wanted}", why=str(error), fix="") from error
                if isinstance(found, Index):
                    platforms = [entry.platform for entry in found.manifests if entry.platform is not None]
                else:
                    platforms = [await _platform(repository, found.config.digest)]
        shown = tuple(ImagePlatform(each.os, each.architecture, each.variant) for each in platforms)
        return Remote(found.media_type, digest, len(body), shown)

    async def log_in(self, domain: str, auth: RegistryAuth) -> str:
        reference = Reference(domain or DEFAULT_DOMAIN, "login")
        with understood(reference):
            async with self._registries.session(insecure=self._registries.is_insecure(reference.domain)) as session:
                base = await self._registries.base(session, reference.domain)
                address = f"{base}/v2/"
                async with session.get(address) as response:
                    if response.status == 200:
                        return ""
                    if response.status != 401:
                        why = f"the registry answers {response.status}"
                        raise Unavailable(what=f"login attempt to {address} failed", why=why, fix="")
                    values = response.headers.getall("WWW-Authenticate", [])
                by_scheme = {each.scheme: each for value in values for each in parse_challenges(value)}
                if "bearer" in by_scheme:
                    return await _token(session, address, by_scheme["bearer"], auth)
                async with session.get(address, headers=basic(auth)) as response:
                    if response.status != 200:
                        raise _refused(address)
        return ""

    async def search(self, term: str, count_max: int, auth: RegistryAuth | None = None) -> Sequence[Found]:
        first, slash, rest = term.partition("/")
        query = {"n": str(count_max)}
        if slash and ("." in first or ":" in first or first == "localhost"):
            return await self._searched(first, "", query | {"q": rest}, auth)
        wanted = query | {"q": term.removeprefix(_OFFICIAL)}
        for mirror in self._registries.mirrors:
            try:
                return [_of_hub(each) for each in await self._searched(DEFAULT_DOMAIN, mirror, wanted, None)]
            except MaruError:  # most registries cannot be searched
                continue
        return await self._searched(DEFAULT_DOMAIN, INDEX, wanted, auth)

    async def _searched(
        self, domain: str, address: str, query: dict[str, str], auth: RegistryAuth | None
    ) -> Sequence[Found]:
        is_insecure = address.startswith("http:") if address else self._registries.is_insecure(domain)
        with understood(Reference(domain, query["q"])):
            async with self._registries.session(insecure=is_insecure) as session:
                base = address.rstrip("/") or await self._registries.base(session, domain)
                async with session.get(f"{base}/v1/search?{urlencode(query)}", headers=basic(auth)) as response:
                    if response.status in (401, 403):
                        raise _refused(f"{base}/v1/search")
                    if response.status != 200:
                        raise NotFound(what=f"Unexpected status code {response.status}", why="", fix="", status=500)
                    body = await response.content.read(SEARCH_BYTES_MAX)
        try:
            answer: Value = msgspec.json.decode(body, type=dict)
        except msgspec.MsgspecError as error:
            raise Unavailable(what=f"search at {base}", why=str(error), fix="") from error
        return [
            Found(
                name=str(each.get("name") or ""),
                description=str(each.get("description") or ""),
                stars=int(each.get("star_count") or 0),
                is_official=bool(each.get("is_official")),
                is_automated=bool(each.get("is_automated")),
            )
            for each in answer.get("results") or ()
        ]


async def _platform(repository: Repository, digest: str) -> Platform:
    async with repository.blob(digest, 0) as (stream, _):
        body = b""
        while (chunk := await stream.readany()) and len(body) <= MANIFEST_BYTES_MAX:
            body += chunk
    try:
        return msgspec.json.decode(body, type=Platform)
    except msgspec.MsgspecError as error:
        raise Invalid(what=f"configuration {digest}", why=str(error), fix="") from error


async def _token(session: aiohttp.ClientSession, address: str, challenge: Challenge, auth: RegistryAuth) -> str:
    """The refresh token of a token service, "" where it gives none."""
    realm = urljoin(address, challenge.parameters.get("realm", ""))
    service = challenge.parameters.get("service", "")
    query = {"service": service, "client_id": "docker", "offline_token": "true"}
    if auth.identity_token:
        form = {"service": service, "client_id": "docker", "grant_type": "refresh_token"}
        request = session.post(realm, data=form | {"refresh_token": auth.identity_token})
    else:
        query["account"] = auth.username
        request = session.get(f"{realm}?{urlencode(query)}", headers=basic(auth))
    async with request as response:
        if response.status != 200:
            raise _refused(address)
        answer: Value = msgspec.json.decode(await response.content.read(ERROR_BYTES_MAX))
    return str(answer.get("refresh_token") or "")


def _refused(address: str) -> Denied:
    words = f'Get "{address}": unauthorized: incorrect username or password'
    return Denied(what=words, why="", fix="", status=401)


def _of_hub(found: Found) -> Found:
    if not found.name.startswith(_OFFICIAL):
        return found
    name = found.name.removeprefix(_OFFICIAL)
    return Found(name, found.description, found.stars, is_official=True, is_automated=found.is_automated)
