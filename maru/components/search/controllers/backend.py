"""The cluster that search stands in front of, where its backend is `opensearch`: asked over HTTP, written to in bulk.

Source: Elasticsearch reference, "Bulk API"; RFC 9110, section 7.6 (fields of one connection).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp

from maru.components.search.config import SearchConfig
from maru.contracts.indexer import Indexer, IndexItem, IndexOutcome
from maru.core.errors import Invalid, Unavailable
from maru.wire.elastic.json import BodyError, Object, decode, encode

DEADLINE_S = 120.0
BULK_BYTES = 8 * 1024 * 1024
_NDJSON = {"Content-Type": "application/x-ndjson"}


class Backend:
    """Requests to the cluster, with the credentials that the configuration has for it."""

    def __init__(self, session: aiohttp.ClientSession, config: SearchConfig) -> None:
        self._session = session
        self._url = config.backend_url.rstrip("/")
        self._credentials: dict[str, str] = {}
        if config.backend_user:
            self._credentials["Authorization"] = aiohttp.encode_basic_auth(config.backend_user, config.backend_password)

    async def ask(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Its answer, the body still to be read and the whole to be released. target: path and query.

        Raises Unavailable where it does not answer.
        """
        try:
            return await self._session.request(
                method, self._url + target, data=body or None, headers={**headers, **self._credentials}
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(
                what="the cluster behind search",
                why=f"it does not answer: {error or type(error).__name__}",
                fix="look whether it runs, and at search.backend_url",
            ) from error


@asynccontextmanager
async def backend(config: SearchConfig) -> AsyncIterator[Backend]:
    """The cluster at backend_url. Raises Invalid where there is none."""
    if not config.backend_url.startswith(("http://", "https://")):
        raise Invalid(
            what="configuration section 'search'",
            why="the backend opensearch needs backend_url",
            fix="set search.backend_url to http://host:9200",
        )
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        yield Backend(session, config)


class BackendIndexer(Indexer):
    """The contract Indexer over the cluster's bulk API."""

    def __init__(self, cluster: Backend) -> None:
        self._cluster = cluster

    async def index(self, items: Sequence[IndexItem]) -> Sequence[IndexOutcome]:
        outcomes: list[IndexOutcome] = []
        for body in _bodies(items):
            outcomes += await self._write(body)
        return outcomes

    async def _write(self, body: bytes) -> list[IndexOutcome]:
        answer = await self._cluster.ask("POST", "/_bulk", body, {**_NDJSON, "Accept-Encoding": "identity"})
        async with answer:
            try:
                told: Object = decode(await answer.read())
                items = told["items"]
            except (aiohttp.ClientError, TimeoutError, BodyError, KeyError, TypeError) as error:
                raise Unavailable(
                    what="the cluster behind search",
                    why=f"it answered a bulk with status {answer.status} and nothing of its items",
                    fix="look at its log",
                ) from error
        return [_outcome(next(iter(item.values()))) for item in items]


def _outcome(told: Object) -> IndexOutcome:
    error = told.get("error")
    if error is None:
        return IndexOutcome(int(told["status"]))
    return IndexOutcome(int(told["status"]), str(error.get("type", "exception")), str(error.get("reason", "")))


def _bodies(items: Sequence[IndexItem]) -> Iterator[bytes]:
    """The lines of as few bulks as BULK_BYTES allows."""
    lines: list[bytes] = []
    size = 0
    for one in items:
        head = {"_index": one.index, "_id": one.id, "pipeline": one.pipeline, "routing": one.routing}
        action = encode(
            {"create" if one.is_create else "index": {name: value for name, value in head.items() if value}}
        )
        lines += [action, one.source.replace(b"\n", b" ")]  # within strings JSON has none
        size += len(action) + len(one.source)
        if size > BULK_BYTES:
            yield b"\n".join([*lines, b""])
            lines, size = [], 0
    if lines:
        yield b"\n".join([*lines, b""])
