"""The backend `opensearch`: the same API, answered by a cluster that is there already.

Requests go through as they come, with the cluster's own credentials in place of the client's; answers come
back as they are. Source: RFC 9110, section 7.6 (hop-by-hop fields).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from maru.components.search.config import SearchConfig
from maru.components.search.errors import answer_body, failure
from maru.core.errors import Invalid, TooLarge
from maru.core.front.message import Answer, Handler, Request
from maru.wire.elastic.json import encode

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
    "authorization",
}
DEADLINE_S = 120.0


@asynccontextmanager
async def passing_through(config: SearchConfig) -> AsyncIterator[Handler]:
    """A handler over the cluster at backend_url. Raises Invalid where there is none."""
    if not config.backend_url.startswith(("http://", "https://")):
        raise Invalid(
            what="configuration section 'search'",
            why="the backend opensearch needs backend_url",
            fix="set search.backend_url to http://host:9200",
        )
    credentials = {}
    if config.backend_user:
        credentials["Authorization"] = aiohttp.encode_basic_auth(config.backend_user, config.backend_password)
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:

        async def answer(request: Request) -> Answer:
            try:
                body = await request.body(config.body_bytes_max)
                headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOPS}
                url = config.backend_url.rstrip("/") + request.raw_target
                async with session.request(
                    request.method, url, data=body or None, headers={**headers, **credentials}
                ) as told:
                    kept = {name: value for name, value in told.headers.items() if name.lower() not in _HOPS}
                    kept["X-Elastic-Product"] = "Elasticsearch"
                    return Answer(told.status, await told.read(), kept)
            except TooLarge as error:
                problem = failure(413, "content_too_long_exception", str(error))
            except (aiohttp.ClientError, TimeoutError) as error:
                reason = f"the cluster behind search does not answer: {error or type(error).__name__}"
                problem = failure(503, "unavailable_shards_exception", reason)
            return Answer(
                int(problem.details["status"]), encode(answer_body(problem)), {"Content-Type": "application/json"}
            )

        yield answer
