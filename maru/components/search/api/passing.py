"""The backend `opensearch`: the same API, answered by a cluster that is there already.

Requests go through as they come, with the cluster's own credentials in place of the client's, and answers come
back as they are; media types of Elasticsearch's clients, which OpenSearch does not know, are put in its words and
back. What would change who may do what in the cluster is not passed on. Source: RFC 9110, section 7.6.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp

from maru.components.search.api.edge import PRODUCT
from maru.components.search.config import SearchConfig
from maru.components.search.controllers.backend import Backend
from maru.components.search.errors import answer_body, failure, status_of
from maru.core.errors import MaruError, TooLarge
from maru.core.front.message import Answer, Handler, Request
from maru.wire.elastic.json import encode
from maru.wire.elastic.media import JSON, answer_type

WHOLE_BYTES_MAX = 1024 * 1024
_HOPS = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
}
_IDENTITY = ("authorization", "es-security-runas-user", "x-proxy-", "x-forwarded-", "x-opendistro-", "cookie")
_SECURITY = {"_security", "_opendistro", "_xpack"}


def passing_handler(cluster: Backend, config: SearchConfig) -> Handler:
    """Everything on the port."""

    async def answer(request: Request) -> Answer:
        try:
            return await _passed(cluster, config, request)
        except MaruError as error:
            return Answer(status_of(error), encode(answer_body(error)), {**PRODUCT, "Content-Type": JSON})

    return answer


async def _passed(cluster: Backend, config: SearchConfig, request: Request) -> Answer:
    if _SECURITY & set(request.path.strip("/").split("/")):
        raise failure(
            403,
            "security_exception",
            f"[{request.path}] is not passed on: who may do what in the cluster is not changed through Maru",
        )
    try:
        body = await request.body(config.body_bytes_max)
    except TooLarge as error:
        raise failure(413, "content_too_long_exception", str(error)) from error
    told = await cluster.ask(request.method, request.raw_target, body, _headers(request))
    headers = {name: value for name, value in told.headers.items() if name.lower() not in _HOPS} | PRODUCT
    accept, content = request.headers.get("Accept", ""), request.headers.get("Content-Type", "")
    if "vnd.elasticsearch" in accept and "json" in told.headers.get("Content-Type", ""):
        headers["Content-Type"] = answer_type(accept, content)
    if request.method == "HEAD" or (told.content_length or WHOLE_BYTES_MAX + 1) <= WHOLE_BYTES_MAX:
        async with told:
            try:
                return Answer(told.status, await told.read(), headers)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise failure(
                    503, "unavailable_shards_exception", f"the cluster's answer broke off: {error}"
                ) from error
    return Answer(told.status, _streamed(told), headers)


async def _streamed(told: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with told:
        async for chunk in told.content.iter_any():
            yield chunk


def _headers(request: Request) -> dict[str, str]:
    """What goes on to the cluster: nothing of this connection, nothing that says who asks."""
    kept = {}
    for name, value in request.headers.items():
        if name.lower() in _HOPS or name.lower().startswith(_IDENTITY):
            continue
        is_vendor = name.lower() in ("content-type", "accept") and "vnd.elasticsearch+" in value
        kept[name] = _plain(value) if is_vendor else value
    return kept


def _plain(value: str) -> str:
    return "application/x-ndjson" if "x-ndjson" in value else "application/yaml" if "yaml" in value else JSON
