"""A cluster that plugins ask over HTTP: its hosts in turn, and who asks.

Source: Logstash reference, "Elasticsearch input plugin", "Elasticsearch filter plugin" (hosts, credentials).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aiohttp
import msgspec

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.sessions import FilterTls, InputTls, Sessions, tls_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.core.site import PORT_ELASTIC

DEADLINE_S = 60.0


class InputCluster(InputTls, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """hosts: URLs, or names with a port; none: this platform's search."""

    hosts: Sequence[str] = ()
    ssl_enabled: bool = False
    user: str = ""
    password: str = ""
    api_key: str = ""
    custom_headers: Mapping[str, str] = {}


class FilterCluster(FilterTls, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """hosts: URLs, or names with a port; none: this platform's search."""

    hosts: Sequence[str] = ()
    ssl_enabled: bool = False
    user: str = ""
    password: str = ""
    api_key: str = ""
    custom_headers: Mapping[str, str] = {}


ClusterOptions = InputCluster | FilterCluster


class Cluster:
    """Each question goes to the next host."""

    def __init__(self, options: ClusterOptions, ground: Ground, what: str) -> None:
        site = ground.site
        if not options.hosts and ground.indexer is None:
            raise Invalid(what=what, why="there is no search here", fix="give it hosts")
        scheme = "https" if options.ssl_enabled else "http"
        own = f"http://{site.listen}:{site.port(PORT_ELASTIC)}"
        self._hosts = [host if "://" in host else f"{scheme}://{host}" for host in options.hosts] or [own]
        self._sessions = Sessions(tls_of(options, what), DEADLINE_S, ground)
        self._headers = {"Content-Type": "application/json", **options.custom_headers, **credentials(options)}
        self._next = 0

    async def ask(self, method: str, path: str, body: Value | None = None) -> Value:
        """The answer's body. Raises what aiohttp does, and ValueError for what is no JSON object."""
        host = self._hosts[self._next % len(self._hosts)]
        self._next += 1
        sent = msgspec.json.encode(body) if body is not None else None
        session = self._sessions.get()
        async with session.request(method, host.rstrip("/") + path, data=sent, headers=self._headers) as answer:
            read = msgspec.json.decode(await answer.read())
        if not isinstance(read, dict):
            raise ValueError("the answer is no object")
        return read


def credentials(options: ClusterOptions) -> Mapping[str, str]:
    """The header of who asks."""
    if options.api_key:
        return {"Authorization": f"ApiKey {options.api_key}"}
    if options.user:
        return {"Authorization": aiohttp.encode_basic_auth(options.user, options.password)}
    return {}
