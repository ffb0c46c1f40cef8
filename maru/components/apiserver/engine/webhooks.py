"""Calls to webhooks: HTTPS to a URL or to a Service, a JSON review there and a JSON review back.

A Service is reached at one of its ready endpoints, else at its ClusterIP; its certificate must name
<service>.<namespace>.svc. Source: k8s.io/apiserver/pkg/util/webhook; admissionregistration/v1
WebhookClientConfig.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import msgspec
from yarl import URL

from maru.core.document import Value, key_of
from maru.core.errors import Broken
from maru.core.ids import Ids
from maru.core.store.interface import Store
from maru.kinds.resources import ENDPOINTSLICES, SERVICES

CONVERSION_TIMEOUT_S = 30.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
CONTEXTS_MAX = 256
_SERVICE_LABEL = "kubernetes.io/service-name"


class CallFailed(Exception):
    """The webhook could not be asked, or its answer was no answer. is_timeout: it took too long."""

    def __init__(self, why: str, *, is_timeout: bool = False) -> None:
        super().__init__(why)
        self.is_timeout = is_timeout


@dataclass(frozen=True, slots=True)
class Target:
    """url: as messages show it. address: as it is connected to. server_name: what the certificate must name."""

    url: str
    address: str
    server_name: str
    host: str


class WebhookClient:
    """Asks webhooks. Connections are kept; close when done."""

    def __init__(self, store: Store, ids: Ids) -> None:
        self._store = store
        self._ids = ids
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, config: Value, review: Value, timeout_s: float) -> Value:
        """The answer to `review`. Raises CallFailed."""
        target = self._target(config, timeout_s)
        context = self._context(config.get("caBundle") or "")
        body = msgspec.json.encode(review)
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    return await self._post(target, context, body)
                except aiohttp.ServerDisconnectedError:
                    return await self._post(target, context, body)  # a kept connection was closed meanwhile
        except TimeoutError:
            raise CallFailed(f'Post "{target.url}": context deadline exceeded', is_timeout=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise CallFailed(f'Post "{target.url}": {error}') from error

    async def _post(self, target: Target, context: ssl.SSLContext, review: bytes) -> Value:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        async with self._session.post(
            URL(target.address, encoded=True),
            data=review,
            headers={"Content-Type": "application/json", "Accept": "application/json", "Host": target.host},
            ssl=context,
            server_hostname=target.server_name,
            allow_redirects=False,
        ) as response:
            parts: list[bytes] = []
            size = 0
            async for part in response.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > ANSWER_BYTES_MAX:
                    raise CallFailed("the answer is too long")
            body = b"".join(parts)
        if response.status >= 300:
            raise CallFailed(f"an error on the server ({_start(body)}) has prevented the request from succeeding")
        return _read(body)

    async def convert(self, config: Value, review: Value) -> Value:
        """What a conversion webhook answers. Raises Broken."""
        try:
            return await self.ask(config, review, CONVERSION_TIMEOUT_S)
        except CallFailed as error:
            first = review["request"]["objects"][0]
            message = f"conversion webhook for {first.get('apiVersion')}, Kind={first.get('kind')} failed: {error}"
            raise Broken(what=message, why="", message=message) from error

    def _target(self, config: Value, timeout_s: float) -> Target:
        url = config.get("url")
        if url:
            parsed = URL(url, encoded=True)
            shown = f"{url}{'&' if parsed.query_string else '?'}timeout={timeout_s:g}s"
            return Target(shown, shown, parsed.host or "", parsed.authority)
        service = config.get("service") or {}
        name, namespace, port = service.get("name") or "", service.get("namespace") or "", service.get("port") or 443
        path = service.get("path") or "/"
        host = f"{name}.{namespace}.svc"
        address = self._endpoint(namespace, name, int(port))
        query = f"{path}?timeout={timeout_s:g}s"
        return Target(f"https://{host}:{port}{query}", f"https://{address}{query}", host, f"{host}:{port}")

    def _endpoint(self, namespace: str, name: str, port: int) -> str:
        """host:port to connect to. Raises CallFailed."""
        document = self._store.get(key_of(SERVICES, namespace, name))
        if document is None:
            raise CallFailed(f'service "{name}" not found')
        spec = document.value.get("spec") or {}
        if spec.get("type") == "ExternalName":
            return f"{spec.get('externalName')}:{port}"
        chosen = next((one for one in spec.get("ports") or () if one.get("port") == port), None)
        if chosen is None:
            raise CallFailed(f'no service port {port} found for service "{name}"')
        found: list[str] = []
        has_slices = False
        for one in self._store.list(ENDPOINTSLICES.storage, namespace).documents:
            if (one.metadata.get("labels") or {}).get(_SERVICE_LABEL) == name:
                has_slices = True
                found += _places(one.value, chosen.get("name") or "")
        if found:
            return found[int(self._ids.fraction() * len(found))]
        address = spec.get("clusterIP") or ""
        if has_slices or address in ("", "None"):
            raise CallFailed(f'no endpoints available for service "{name}"')
        return _bracketed(address, port)

    def _context(self, bundle: str) -> ssl.SSLContext:
        """Trusts the bundle (PEM in base64), or what the machine trusts. Raises CallFailed."""
        context = self._contexts.get(bundle)
        if context is not None:
            return context
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if bundle:
                context.load_verify_locations(cadata=base64.b64decode(bundle).decode())
            else:
                context.load_default_certs()
        except (binascii.Error, UnicodeDecodeError, ssl.SSLError) as error:
            raise CallFailed(f"unable to load root certificates: {error}") from error
        if len(self._contexts) >= CONTEXTS_MAX:
            self._contexts.clear()
        self._contexts[bundle] = context
        return context


def _places(endpoints: Value, port_name: str) -> Sequence[str]:
    ports = [one["port"] for one in endpoints.get("ports") or () if (one.get("name") or "") == port_name]
    ready = [
        address
        for endpoint in endpoints.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready", True) is not False
        for address in (endpoint.get("addresses") or ())[:1]
    ]
    return [_bracketed(address, port) for port in ports if port for address in ready]


def _bracketed(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _start(body: bytes) -> str:
    return f'"{body[:256].decode(errors="replace").strip()}"' if body else '"unknown"'


def _read(body: bytes) -> Value:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise CallFailed(f"the answer is no JSON: {error}") from error
    if not isinstance(answer, dict):
        raise CallFailed("the answer is no object")
    return answer
