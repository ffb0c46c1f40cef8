"""A registry as its client sees it: one repository, its manifests and blobs, and who we are to it.

Docker Hub's images are looked for at its mirrors first. Loopback registries and configured ones are
reached by plain HTTP (or unverified TLS, when they speak only that), as Docker reaches its insecure
ones; all others by verified TLS.
Source: OCI distribution specification 1.1; the token authentication specification of distribution.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import urlencode, urljoin

import aiohttp
import msgspec

from maru.contracts.image_store import RegistryAuth
from maru.core.document import Value
from maru.core.errors import Denied, Invalid, MaruError, NotFound, Unavailable
from maru.wire.oci.challenge import Challenge, parse_challenges
from maru.wire.oci.digest import algorithm_of, digest_of, is_digest
from maru.wire.oci.manifest import ACCEPTED, MANIFEST_BYTES_MAX
from maru.wire.oci.reference import DEFAULT_DOMAIN, Reference

HUB = "registry-1.docker.io"  # where docker.io's registry listens
CONNECT_S = 20.0  # for name, connection and handshake together
CONNECT_HASTY_S = 1.5  # the same, when an image of that name is here already
PING_S = 15.0  # for a first answer at all
READ_S = 60.0  # between two pieces of a body
ERROR_BYTES_MAX = 64 * 1024
_AGENT = "maru/0.1"
GOOD = (200, 206)
Body = Callable[[], AsyncIterator[bytes] | bytes]


@dataclass(frozen=True, slots=True)
class Registries:
    """How registries are reached. insecure: host[:port] or networks; mirrors: addresses asked before Docker Hub.

    ca_file: PEM, "" for the system's authorities alone.
    """

    insecure: Collection[str] = field(default_factory=frozenset)
    ca_file: str = ""
    mirrors: Sequence[str] = ()

    def sources(self, reference: Reference) -> Sequence[str]:
        """Where to look for an image: mirrors by their addresses, and last "", its own registry."""
        return (*self.mirrors, "") if reference.domain == DEFAULT_DOMAIN else ("",)

    @asynccontextmanager
    async def repository(
        self,
        reference: Reference,
        auth: RegistryAuth,
        *,
        hasty: bool = False,
        actions: str = "pull",
        mirror: str = "",
    ) -> AsyncIterator[Repository]:
        """The repository of `reference`. hasty: give up soon on a registry that is silent.

        actions: what for, as token services are asked: pull, or pull,push. mirror: asked in place of its registry,
        and without the credentials, which are the registry's.
        """
        if mirror:
            async with self.session(insecure=mirror.startswith("http:"), hasty=hasty) as session:
                yield Repository(session, mirror.rstrip("/"), reference, RegistryAuth(), actions)
            return
        is_insecure = self.is_insecure(reference.domain)
        async with self.session(insecure=is_insecure, hasty=hasty) as session:
            base = await self.base(session, reference.domain)
            yield Repository(session, base, reference, auth, actions)

    def is_insecure(self, domain: str) -> bool:
        """Whether this registry is reached by plain HTTP or unverified TLS."""
        if is_loopback(domain) or domain in self.insecure:
            return True
        try:
            address = ip_address(_host(domain))
        except ValueError:
            return False
        networks = (ip_network(each, strict=False) for each in self.insecure if "/" in each)
        return any(address in network for network in networks)

    async def base(self, session: aiohttp.ClientSession, domain: str) -> str:
        """The address of a registry."""
        host = HUB if domain == DEFAULT_DOMAIN else domain
        return await _plain_or_tls(session, host) if self.is_insecure(domain) else f"https://{host}"

    @asynccontextmanager
    async def session(self, *, insecure: bool, hasty: bool = False) -> AsyncIterator[aiohttp.ClientSession]:
        """Connections to one registry."""
        connector = aiohttp.TCPConnector(ssl=self._trust(verified=not insecure))
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_HASTY_S if hasty else CONNECT_S, sock_read=READ_S)
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            trust_env=not insecure,
            headers={"User-Agent": _AGENT},
            auto_decompress=False,
        ) as session:
            yield session

    def _trust(self, *, verified: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca_file:
            context.load_verify_locations(self.ca_file)
        return context


class Repository:
    """One repository at its registry, for the length of a pull or a push."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, reference: Reference, auth: RegistryAuth, actions: str = "pull"
    ) -> None:
        self._session = session
        self._origin = base
        self._actions = actions
        self._base = f"{base}/v2/{reference.path}"
        self._reference = reference
        self._auth = auth
        self._authorization = ""

    async def fetch_manifest(self, version: str) -> tuple[bytes, str]:
        """The bytes at a tag or digest, and their digest, by the algorithm that names it. Raises Invalid for others."""
        headers = {"Accept": ", ".join(ACCEPTED)}
        async with self.ask("GET", f"{self._base}/manifests/{version}", headers, GOOD) as response:
            content = await response.content.read(MANIFEST_BYTES_MAX + 1)
            while content and len(content) <= MANIFEST_BYTES_MAX and not response.content.at_eof():
                content += await response.content.read(MANIFEST_BYTES_MAX + 1)
            if len(content) > MANIFEST_BYTES_MAX:
                raise Invalid(what=f"manifest of {self._reference}", why=f"over {MANIFEST_BYTES_MAX} bytes", fix="")
            named = response.headers.get("Docker-Content-Digest", "")
        digest = digest_of(content)
        for expected in (named, version):
            if is_digest(expected):
                digest = digest_of(content, algorithm_of(expected))
                if digest != expected:
                    why = f"its manifest has digest {digest}, not {expected}"
                    raise Invalid(what=f"image {self._reference}", why=why, fix="")
        return content, digest

    @asynccontextmanager
    async def blob(self, digest: str, offset: int) -> AsyncIterator[tuple[aiohttp.StreamReader, bool]]:
        """A blob's bytes from `offset` on, and whether the registry went along with the offset."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self.ask("GET", f"{self._base}/blobs/{digest}", headers, GOOD) as response:
            yield response.content, response.status == 206

    def address(self, path: str) -> str:
        """The address of a path below this repository, or what a Location names."""
        return urljoin(f"{self._base}/", path)

    @asynccontextmanager
    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], accepted: Collection[int], body: Body | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose status is one of `accepted`, with credentials if they are asked for; `body` makes a new one.

        Raises Denied, NotFound, Invalid, Unavailable for other answers, aiohttp's errors when there is none.
        """
        for is_last in (False, True):
            sent = dict(headers)
            if self._authorization and url.startswith(f"{self._origin}/"):
                sent["Authorization"] = self._authorization
            async with self._session.request(method, url, headers=sent, data=body() if body else None) as response:
                if response.status in accepted:
                    yield response
                    return
                if response.status != 401 or is_last:
                    raise await self._refusal(response)
                challenges = [
                    challenge
                    for value in response.headers.getall("WWW-Authenticate", [])
                    for challenge in parse_challenges(value)
                ]
            await self._answer(challenges)

    async def _answer(self, challenges: list[Challenge]) -> None:
        by_scheme = {challenge.scheme: challenge for challenge in challenges}
        if "bearer" in by_scheme:
            self._authorization = f"Bearer {await self._fetch_token(by_scheme['bearer'])}"
        elif "basic" in by_scheme and self._auth.username:
            self._authorization = basic(self._auth)["Authorization"]
        else:
            raise self._denied("it wants credentials and none were given")

    async def _fetch_token(self, challenge: Challenge) -> str:
        asked = challenge.parameters
        realm = urljoin(self._base, asked.get("realm", ""))
        scope = asked.get("scope") or f"repository:{self._reference.path}:{self._actions}"
        query = {"scope": scope} | ({"service": asked["service"]} if "service" in asked else {})
        if self._auth.identity_token:
            form = query | {
                "grant_type": "refresh_token",
                "client_id": "maru",
                "refresh_token": self._auth.identity_token,
            }
            request = self._session.post(realm, data=form)
        else:
            separator = "&" if "?" in realm else "?"
            request = self._session.get(f"{realm}{separator}{urlencode(query)}", headers=basic(self._auth))
        async with request as response:
            if response.status != 200:
                raise await self._refusal(response)
            answer: Value = msgspec.json.decode(await response.content.read(ERROR_BYTES_MAX))
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str):
            raise self._denied("its token service gave no token")
        return token

    async def _refusal(self, response: aiohttp.ClientResponse) -> MaruError:
        said = _said(await response.content.read(ERROR_BYTES_MAX)) or response.reason or ""
        if response.status in (401, 403):
            return self._denied(said)
        what = f"image {self._reference}"
        if response.status == 404:
            return self._missing(said)
        if response.status in (400, 405, 415):
            return Invalid(what=what, why=f"the registry answers {response.status}: {said}", fix="")
        return Unavailable(what=what, why=f"the registry answers {response.status}: {said}", fix="try again later")

    def _missing(self, said: str) -> NotFound:
        reference = self._reference
        if "name unknown" in said or "repository name" in said:
            return NotFound(what=f"repository {reference.name} not found", why=f"name unknown: {said}", fix="")
        version = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
        what = f"manifest for {reference.familiar_name}{version} not found"
        return NotFound(what=what, why=f"manifest unknown: {said}", fix="")

    def _denied(self, why: str) -> Denied:
        what = f"image {self._reference}"
        is_pull = self._actions == "pull"
        return Denied(
            what=what,
            why=f"pull access denied: {why}"
            if is_pull
            else f"denied: requested access to the resource is denied: {why}",
            fix=f"check the name, or give credentials that may {'read' if is_pull else 'write'} it",
        )


def basic(auth: RegistryAuth | None) -> Mapping[str, str]:
    """The headers that tell a name and password; none for nobody. Source: RFC 7617, in UTF-8."""
    if auth is None or not auth.username:
        return {}
    return {"Authorization": aiohttp.encode_basic_auth(auth.username, auth.password)}


def is_loopback(domain: str) -> bool:
    """Whether a registry's host[:port] is this machine."""
    host = _host(domain)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host(domain: str) -> str:
    host = domain.rsplit(":", 1)[0] if not domain.endswith("]") and ":" in domain else domain
    return host.strip("[]")


async def _plain_or_tls(session: aiohttp.ClientSession, host: str) -> str:
    patience = aiohttp.ClientTimeout(total=PING_S, connect=session.timeout.connect)
    for scheme in ("http", "https"):
        try:
            async with session.get(f"{scheme}://{host}/v2/", timeout=patience) as response:
                if response.status != 400:  # what TLS servers answer to plain HTTP
                    return f"{scheme}://{host}"
        except TimeoutError:  # it is there and silent: the other scheme would be no better
            raise
        except aiohttp.ClientError:
            continue
    return f"http://{host}"


def _said(body: bytes) -> str:
    try:
        errors = msgspec.json.decode(body).get("errors") or []
        return "; ".join(str(error.get("message") or error.get("code")) for error in errors)
    except (msgspec.DecodeError, AttributeError, TypeError):
        return body[:200].decode(errors="replace").strip()
