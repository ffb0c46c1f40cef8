"""The client over the wire: the Kubernetes API by a unix socket or by TLS with a client certificate.

Every process but control uses it, and so does a node that joined. A list keeps the bytes of its
items as they came, so that nothing is decoded before somebody looks. On the unix socket the peer
is root, and says whom it acts as by the impersonation headers. Source: Kubernetes API concepts;
"Authenticating", user impersonation; meta/v1 Status, WatchEvent, DeleteOptions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from maru.core.client import Change, DeleteOptions, Operations, Page, PatchKind
from maru.core.document import Document, Key, Resource, Value
from maru.core.errors import Broken, Deadline, MaruError, Unauthenticated, Unavailable
from maru.core.limits import CLIENT_DEADLINE_S, REQUESTS_IN_FLIGHT_MAX, WATCH_BOOKMARK_S, WATCH_DEADLINE_S
from maru.core.remote_status import error_of

_JSON = "application/json"
_READ_BYTES = 256 * 1024
_SILENCE_S = 3 * WATCH_BOOKMARK_S  # without a byte, not even a bookmark, a watch is taken for dead
_SOCKET_URL = "http://maru"

D = TypeVar("D")


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    resource_version: str = msgspec.field(name="resourceVersion", default="0")


class _Head(msgspec.Struct):
    """What every document begins with, as far as a Document needs it."""

    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _List(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    items: list[msgspec.Raw] | None = None


class _WatchEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


_DECODE_VALUE = msgspec.json.Decoder().decode
_DECODE_HEAD = msgspec.json.Decoder(_Head).decode
_DECODE_LIST = msgspec.json.Decoder(_List).decode
_DECODE_EVENT = msgspec.json.Decoder(_WatchEvent).decode


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files in PEM: the authority that signs servers, and the client's own certificate and key."""

    authority: Path
    certificate: Path
    key: Path


class RemoteClients:
    """As `core.client.Clients`, over one pool of connections."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    @classmethod
    @asynccontextmanager
    async def over_socket(cls, path: Path) -> AsyncIterator[RemoteClients]:
        """Clients to the API behind the unix socket `path`; each may act as anybody."""
        connector = aiohttp.UnixConnector(path=str(path), limit=REQUESTS_IN_FLIGHT_MAX)
        async with _session(connector) as session:
            yield cls(session, _SOCKET_URL)

    @classmethod
    @asynccontextmanager
    async def over_tls(cls, url: str, credentials: Credentials) -> AsyncIterator[RemoteClients]:
        """Clients to the API at `url` (https://host:port); whom they may act as, its RBAC decides.

        Raises Unauthenticated when the files hold no usable credentials.
        """
        context = await asyncio.to_thread(_context_blocking, credentials)
        connector = aiohttp.TCPConnector(ssl=context, limit=REQUESTS_IN_FLIGHT_MAX)
        async with _session(connector) as session:
            yield cls(session, url.rstrip("/"))

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> RemoteClient:
        """As `core.client.Clients.acting_as`; an empty `user` is whoever the connection is."""
        headers = [("Impersonate-User", user)] if user else []
        headers += [("Impersonate-Group", group) for group in groups]
        return RemoteClient(self._session, self._url, headers)


class RemoteClient:
    """As `core.client.Client`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: Sequence[tuple[str, str]]) -> None:
        self._session = session
        self._url = url
        self._headers = list(headers)

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Value:
        return await self._ask("GET", resource.path(namespace, name, subresource))

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Page:
        body = await self._exchange("GET", resource.path(namespace), _selectors(labels, fields))
        listing = _decode(_DECODE_LIST, body)
        return Page([_document(resource, item) for item in listing.items or ()], _version(listing.metadata))

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str = "", *, since: int, labels: str = "", fields: str = ""
    ) -> AsyncIterator[AsyncIterator[Sequence[Change]]]:
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": str(since)}
        query |= {"timeoutSeconds": str(int(WATCH_DEADLINE_S)), **_selectors(labels, fields)}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CLIENT_DEADLINE_S, sock_read=_SILENCE_S)
        path = resource.path(namespace)
        with _translating(path):
            response = await self._session.get(
                self._url + path, params=query, headers=self._headers, timeout=timeout, allow_redirects=False
            )
        try:
            if response.status != 200:
                with _translating(path):
                    body = await response.read()
                raise error_of(response.status, body, path)
            yield _batches(resource, path, response.content)
        finally:
            response.close()

    async def create(self, resource: Resource, value: Value) -> Value:
        return await self._ask("POST", resource.path(value["metadata"].get("namespace", "")), value)

    async def update(self, resource: Resource, value: Value, *, subresource: str = "") -> Value:
        metadata = value["metadata"]
        return await self._ask(
            "PUT", resource.path(metadata.get("namespace", ""), metadata["name"], subresource), value
        )

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Value | Operations,
        *,
        kind: PatchKind = PatchKind.MERGE,
        subresource: str = "",
        force: bool = False,
    ) -> Value:
        query = {}
        if kind is PatchKind.APPLY:
            query = {"fieldManager": dict(self._headers).get("Impersonate-User", "maru"), "force": str(force).lower()}
        body = await self._exchange(
            "PATCH", resource.path(namespace, name, subresource), query, msgspec.json.encode(patch), kind.value
        )
        return _value(body)

    async def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions | None = None) -> None:
        wire = _delete_options(options) if options is not None else None
        await self._ask("DELETE", resource.path(namespace, name), wire)

    async def post(self, resource: Resource, namespace: str, name: str, subresource: str, value: Value) -> Value:
        return await self._ask("POST", resource.path(namespace, name, subresource), value)

    async def _ask(self, method: str, path: str, value: Value | None = None) -> Value:
        body = msgspec.json.encode(value) if value is not None else b""
        return _value(await self._exchange(method, path, {}, body))

    async def _exchange(
        self, method: str, path: str, query: Mapping[str, str], body: bytes = b"", content_type: str = _JSON
    ) -> bytes:
        headers = [*self._headers, ("Accept", _JSON)]
        if body:
            headers.append(("Content-Type", content_type))
        with _translating(path):
            async with self._session.request(
                method, self._url + path, params=query, data=body or None, headers=headers, allow_redirects=False
            ) as response:
                answer = await response.read()
        if response.status >= 300:
            raise error_of(response.status, answer, path, response.headers.get("Retry-After", ""))
        return answer


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=CLIENT_DEADLINE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_READ_BYTES,
        headers={"User-Agent": "maru"},
    )


def _context_blocking(credentials: Credentials) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(credentials.authority))
        context.load_cert_chain(str(credentials.certificate), str(credentials.key))
    except OSError as error:  # SSLError is one
        raise Unauthenticated(
            what=f"credentials {credentials.certificate}", why=f"cannot be read: {error}", fix="join the platform again"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def _translating(path: str) -> Iterator[None]:
    """What can go wrong below HTTP, in our words."""
    try:
        yield
    except TimeoutError as error:
        raise Deadline(what=f"API request {path}", why=f"no answer in {CLIENT_DEADLINE_S:g} s", fix="") from error
    except (aiohttp.ClientError, ConnectionError, OSError) as error:
        why = f"the API server cannot be reached: {error or type(error).__name__}"
        raise Unavailable(what=f"API request {path}", why=why, fix="see maru status") from error


async def _batches(resource: Resource, path: str, content: aiohttp.StreamReader) -> AsyncIterator[Sequence[Change]]:
    """The lines of a watch as they come: all that have arrived make one batch."""
    rest = b""
    while True:
        with _translating(path):
            chunk = await content.readany()
        if not chunk:
            return
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        batch: list[Change] = []
        for line in lines:
            if line.strip():
                try:
                    batch.append(_change(resource, path, line))
                except MaruError:
                    if batch:
                        yield batch
                    raise
        if batch:
            yield batch


def _change(resource: Resource, path: str, line: bytes) -> Change:
    event = _decode(_DECODE_EVENT, line)
    raw = bytes(event.object)
    if event.type == "ERROR":
        raise error_of(0, raw, path)
    if event.type == "BOOKMARK":
        return Change("BOOKMARK", None, _version(_decode(_DECODE_HEAD, raw).metadata))
    document = _document(resource, raw)
    return Change(event.type, document, document.version)


def _document(resource: Resource, raw: msgspec.Raw | bytes) -> Document:
    body = bytes(raw)
    metadata = _decode(_DECODE_HEAD, body).metadata
    key = Key(resource.storage, metadata.namespace if resource.namespaced else "", metadata.name)
    return Document(key, body, _version(metadata))


def _decode(decoder: Callable[[bytes], D], body: bytes) -> D:
    try:
        return decoder(body)
    except msgspec.DecodeError as error:
        raise Broken(what="API answer", why=f"it cannot be read: {error}", fix="") from error


def _value(body: bytes) -> Value:
    value: Value = _decode(_DECODE_VALUE, body)
    return value


def _version(metadata: _Metadata) -> int:
    try:
        return int(metadata.resource_version)
    except ValueError as error:
        raise Broken(what="API answer", why=f"resourceVersion {metadata.resource_version!r} is no number") from error


def _selectors(labels: str, fields: str) -> dict[str, str]:
    query = {"labelSelector": labels, "fieldSelector": fields}
    return {name: selector for name, selector in query.items() if selector}


def _delete_options(options: DeleteOptions) -> Value:
    wire: Value = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if options.propagation:
        wire["propagationPolicy"] = options.propagation
    if options.grace_period_s is not None:
        wire["gracePeriodSeconds"] = options.grace_period_s
    preconditions = {"uid": options.uid, "resourceVersion": options.resource_version}
    if any(preconditions.values()):
        wire["preconditions"] = {name: value for name, value in preconditions.items() if value}
    return wire
