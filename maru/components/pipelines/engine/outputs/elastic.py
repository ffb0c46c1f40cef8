"""elasticsearch: batches by `_bulk`, to a cluster over HTTP or straight to this platform's own search.

`hosts` that name this platform's search port, or no hosts, go by the Indexer contract, without HTTP.
429 and 5xx come again; 400 and 404 of an item are for good and go to the dead letters; 409 (there
already) is what was wanted.
Source: Logstash reference, "Elasticsearch output plugin"; Elasticsearch Bulk API.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import aiohttp
import msgspec

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.outputs.shape import Output, Refused
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import OutputOptions, options_of
from maru.contracts.indexer import IndexItem, IndexOutcome
from maru.core.errors import Invalid, Unavailable
from maru.core.site import PORT_ELASTIC
from maru.wire.logstash.syntax import Plugin

DEADLINE_S = 60.0
AGAIN = frozenset([429, 500, 502, 503, 504])


class ElasticOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """hosts: URLs; none: this platform's search. data_stream: true, false or auto."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    hosts: Sequence[str] = ()
    index: str = ""
    document_id: str = ""
    action: str = "index"
    routing: str = ""
    pipeline: str = ""
    user: str = ""
    password: str = ""
    api_key: str = ""
    data_stream: str = "auto"
    data_stream_type: str = "logs"
    data_stream_dataset: str = "generic"
    data_stream_namespace: str = "default"
    doc_as_upsert: bool = False
    upsert: str = ""
    retry_on_conflict: int = 1
    manage_template: bool = False
    ilm_enabled: str = "false"
    ssl_enabled: bool = False
    ssl_verification_mode: str = "full"
    ssl_certificate_authorities: Sequence[str] = ()
    custom_headers: Mapping[str, str] = {}
    timeout: float = DEADLINE_S
    ecs_compatibility: str = "v8"


@dataclass(frozen=True, slots=True)
class _Item:
    """action: index, create, update or delete."""

    event: Event
    item: IndexItem
    action: str


class Elastic:
    """Opens its connections at the first batch that goes over HTTP."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, ElasticOptions, "output")
        _check(self._options, plugin.place.line)
        self._ground = ground
        self._session: aiohttp.ClientSession | None = None
        self._next = 0
        self._is_own = ground.indexer is not None and not self._options.hosts
        if not self._options.hosts and ground.indexer is None:
            raise Invalid(what="output plugin 'elasticsearch'", why="there is no search here", fix="give it hosts")
        self._is_stream = self._options.data_stream == "true" or (
            self._options.data_stream == "auto" and not self._options.index and not self._options.document_id
        )

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        items = [_Item(event, self._item(event), self._action(event)) for event in events]
        refused: list[Refused] = []
        outcomes = await self._index(items)
        again: list[_Item] = []
        for each, outcome in zip(items, outcomes, strict=True):
            if outcome.status in AGAIN:
                again.append(each)
            elif not outcome.is_done and outcome.status != 409:
                refused.append(Refused(each.event, f"{outcome.error}: {outcome.reason}"))
        if again and len(again) == len(items):
            raise Unavailable(what=f"index {items[0].item.index}", why="it cannot take documents now", fix="")
        if again:
            refused += await self.deliver([each.event for each in again])
        return refused

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _action(self, event: Event) -> str:
        return "create" if self._is_stream else event.sprintf(self._options.action)

    def _item(self, event: Event) -> IndexItem:
        options = self._options
        if self._is_stream:
            stream = event.get(("data_stream",))
            own = stream if isinstance(stream, dict) else {}
            parts = (
                str(own.get("type") or event.sprintf(options.data_stream_type)),
                str(own.get("dataset") or event.sprintf(options.data_stream_dataset)),
                str(own.get("namespace") or event.sprintf(options.data_stream_namespace)),
            )
            event.put(("data_stream",), dict(zip(("type", "dataset", "namespace"), parts, strict=True)))
            return IndexItem("-".join(parts), event.to_json(), is_create=True)
        index = event.sprintf(options.index or "logstash-%{+yyyy.MM.dd}")
        return IndexItem(
            index,
            event.to_json(),
            id=event.sprintf(options.document_id) if options.document_id else "",
            is_create=self._action(event) == "create",
            pipeline=event.sprintf(options.pipeline) if options.pipeline else "",
            routing=event.sprintf(options.routing) if options.routing else "",
        )

    async def _index(self, items: Sequence[_Item]) -> Sequence[IndexOutcome]:
        # The contract knows documents that come; what changes or goes is asked for over the port, as by anyone.
        if self._is_own and all(each.action in ("index", "create") for each in items):
            assert self._ground.indexer is not None
            return await self._ground.indexer.index([each.item for each in items])
        return await self._post(items)

    async def _post(self, items: Sequence[_Item]) -> Sequence[IndexOutcome]:
        if self._session is None:
            options = self._options
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=options.timeout),
                connector=aiohttp.TCPConnector(ssl=_tls(options)),
            )
        site = self._ground.site
        hosts = self._options.hosts or (f"http://{site.listen}:{site.port(PORT_ELASTIC)}",)
        host = hosts[self._next % len(hosts)]
        self._next += 1
        scheme = "https" if self._options.ssl_enabled else "http"
        url = (host if "://" in host else f"{scheme}://{host}").rstrip("/") + "/_bulk"
        headers = {"Content-Type": "application/x-ndjson", **self._options.custom_headers, **self._credentials()}
        try:
            async with self._session.post(url, data=_bulk(items, self._options), headers=headers) as answer:
                body = await answer.read()
                if answer.status >= 300:
                    why = f"HTTP {answer.status}: {body[:200].decode(errors='replace')}"
                    raise Unavailable(what=url, why=why, fix="look at the cluster, and at the credentials")
                return _outcomes(body, len(items))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(
                what=url, why=str(error) or type(error).__name__, fix="start what answers there"
            ) from error

    def _credentials(self) -> Mapping[str, str]:
        if self._options.api_key:
            return {"Authorization": f"ApiKey {self._options.api_key}"}
        if self._options.user:
            return {"Authorization": aiohttp.encode_basic_auth(self._options.user, self._options.password)}
        return {}


def _check(options: ElasticOptions, line: int) -> None:
    """Raises Invalid for what would have to be ignored."""
    what = f"output plugin 'elasticsearch' at line {line}"
    actions = ("index", "create", "update", "delete")
    if options.action not in actions and "%{" not in options.action:
        raise Invalid(what=what, why=f"action {options.action!r} is not supported", fix=", ".join(actions))
    if options.action in ("update", "delete") and not options.document_id:
        raise Invalid(what=what, why=f"{options.action} needs a document_id", fix='document_id => "%{id}"')
    if options.manage_template or options.ilm_enabled == "true":
        raise Invalid(
            what=what,
            why="templates and ILM policies are not made by outputs here",
            fix="manage_template => false, ilm_enabled => false, and put them by the API of the search",
        )
    if options.ssl_verification_mode not in ("full", "none"):
        raise Invalid(what=what, why=f"no mode {options.ssl_verification_mode!r}", fix="full or none")
    if options.upsert:
        try:
            msgspec.json.decode(options.upsert)
        except msgspec.DecodeError as error:
            raise Invalid(what=what, why=f"upsert is no JSON: {error}", fix="upsert => '{\"count\": 0}'") from error
    _tls(options)


def _tls(options: ElasticOptions) -> ssl.SSLContext | bool:
    """What aiohttp takes. Raises Invalid: an authority that cannot be read."""
    if options.ssl_verification_mode == "none":
        return False
    if not options.ssl_certificate_authorities:
        return True
    try:
        context = ssl.create_default_context()
        for path in options.ssl_certificate_authorities:
            context.load_verify_locations(path)
    except OSError as error:
        raise Invalid(what="ssl_certificate_authorities", why=str(error), fix="name files of PEM") from error
    return context


def _bulk(items: Sequence[_Item], options: ElasticOptions) -> bytes:
    lines: list[bytes] = []
    for each in items:
        item = each.item
        about = {"_index": item.index, "_id": item.id, "routing": item.routing, "pipeline": item.pipeline}
        head: dict[str, object] = {name: value for name, value in about.items() if value}
        if each.action == "update":
            head["retry_on_conflict"] = options.retry_on_conflict
        lines.append(msgspec.json.encode({each.action: head}))
        if each.action == "update":
            lines.append(_update(item.source, options))
        elif each.action != "delete":
            lines.append(item.source)
    return b"\n".join((*lines, b""))


def _update(source: bytes, options: ElasticOptions) -> bytes:
    body: dict[str, object] = {"doc": msgspec.Raw(source)}
    if options.upsert:
        body["upsert"] = msgspec.Raw(options.upsert.encode())
    elif options.doc_as_upsert:
        body["doc_as_upsert"] = True
    return msgspec.json.encode(body)


class _Result(msgspec.Struct):
    status: int = 200
    error: dict[str, object] | str | None = None


class _Bulk(msgspec.Struct):
    items: list[dict[str, _Result]]


def _outcomes(body: bytes, count: int) -> Sequence[IndexOutcome]:
    try:
        results = [result for item in msgspec.json.decode(body, type=_Bulk).items for result in item.values()]
    except msgspec.DecodeError as error:
        raise Unavailable(what="the answer to _bulk", why=str(error), fix="look at what answers there") from error
    if len(results) != count:
        raise Unavailable(what="the answer to _bulk", why=f"{len(results)} results for {count} items", fix="")
    return [_outcome(result) for result in results]


def _outcome(result: _Result) -> IndexOutcome:
    if isinstance(result.error, dict):
        return IndexOutcome(result.status, str(result.error.get("type", "")), str(result.error.get("reason", "")))
    return IndexOutcome(result.status, "error" if result.error else "", result.error or "")


def build(plugin: Plugin, ground: Ground) -> Output:
    """elasticsearch, opensearch."""
    return Elastic(plugin, ground)
