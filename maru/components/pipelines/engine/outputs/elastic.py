"""elasticsearch: batches by `_bulk`, to a cluster over HTTP or straight to this platform's own search.

`hosts` that name this platform's search port, or no hosts, go by the Indexer contract, without HTTP.
400 and 404 of an item (and dlq_custom_codes) are for good and go to the dead letters; 409 (there already)
is what was wanted; everything else comes again, alone, until it is taken.
Source: Logstash reference, "Elasticsearch output plugin"; Elasticsearch Bulk API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import aiohttp
import msgspec

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.outputs.shape import Refused
from maru.components.pipelines.engine.sessions import tls_of
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import OutputOptions, options_of
from maru.contracts.indexer import IndexItem, IndexOutcome
from maru.core.errors import Invalid, Unavailable
from maru.core.site import PORT_ELASTIC
from maru.wire.logstash.syntax import Plugin

DEADLINE_S = 60.0
FOR_GOOD = frozenset([400, 404])


class ElasticOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """hosts: URLs; none: this platform's search. data_stream: true, false or auto. retry_*_interval: s."""

    not_done: ClassVar[frozenset[str]] = frozenset(["sniffing"])
    without_effect: ClassVar[frozenset[str]] = frozenset(
        ["ecs_compatibility", "template_overwrite", "pool_max", "pool_max_per_route", "resurrect_delay",
         "validate_after_inactivity", "healthcheck_path", "silence_errors_in_log", "http_compression",
         "compression_level"]
    )  # fmt: skip

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
    data_stream_auto_routing: bool = True
    data_stream_sync_fields: bool = True
    doc_as_upsert: bool = False
    upsert: str = ""
    script: str = ""
    script_type: str = "inline"
    script_lang: str = "painless"
    script_var_name: str = "event"
    scripted_upsert: bool = False
    version: str = ""
    version_type: str = ""
    path: str = ""
    bulk_path: str = ""
    parameters: Mapping[str, str] = {}
    dlq_custom_codes: Sequence[int] = ()
    dlq_on_failed_indexname_interpolation: bool = True
    retry_initial_interval: float = 2
    retry_max_interval: float = 64
    template_overwrite: bool = False
    pool_max: int = 1000
    pool_max_per_route: int = 100
    resurrect_delay: float = 5
    validate_after_inactivity: int = 10_000
    healthcheck_path: str = ""
    silence_errors_in_log: Sequence[str] = ()
    http_compression: bool = False
    compression_level: int = 1
    sniffing: bool = False
    retry_on_conflict: int = 1
    manage_template: bool = False
    ilm_enabled: str = "false"
    ssl_enabled: bool = False
    ssl_verification_mode: str = "full"
    ssl_certificate_authorities: Sequence[str] = ()
    ssl_certificate: str = ""
    ssl_key: str = ""
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
        self._tls = tls_of(self._options, "output plugin 'elasticsearch'")
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
        refused: list[Refused] = []
        left: list[_Item] = []
        for event in events:
            item = _Item(event, self._item(event), self._action(event))
            if "%{" in item.item.index and self._options.dlq_on_failed_indexname_interpolation:
                refused.append(Refused(event, f"Could not resolve dynamic index name: {item.item.index}"))
            else:
                left.append(item)
        count, wait_s = len(left), self._options.retry_initial_interval
        while left:
            left, last = await self._once(left, refused)
            if len(left) == count:
                raise Unavailable(what=f"index {left[0].item.index}", why=last, fix="look at the cluster")
            if left:
                # Some are there already: only the others come again, or there would be some twice.
                await self._ground.clock.sleep(wait_s)
                wait_s = min(wait_s * 2, self._options.retry_max_interval)
        return refused

    async def _once(self, items: list[_Item], refused: list[Refused]) -> tuple[list[_Item], str]:
        """Those that are to come again, and why the last of them is."""
        again: list[_Item] = []
        why = ""
        for each, outcome in zip(items, await self._index(items), strict=True):
            reason = f"{outcome.error}: {outcome.reason}"
            if outcome.is_done or outcome.status == 409:
                continue
            if outcome.status in FOR_GOOD or outcome.status in self._options.dlq_custom_codes:
                refused.append(Refused(each.event, reason))
            else:
                again.append(each)
                why = f"{outcome.status} {reason}"
        return again, why

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _action(self, event: Event) -> str:
        return "create" if self._is_stream else event.sprintf(self._options.action)

    def _item(self, event: Event) -> IndexItem:
        options = self._options
        if self._is_stream:
            stream = event.get(("data_stream",)) if options.data_stream_auto_routing else None
            own = stream if isinstance(stream, dict) else {}
            parts = (
                str(own.get("type") or event.sprintf(options.data_stream_type)),
                str(own.get("dataset") or event.sprintf(options.data_stream_dataset)),
                str(own.get("namespace") or event.sprintf(options.data_stream_namespace)),
            )
            if options.data_stream_sync_fields:
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
        if self._is_own and not self._options.version and all(each.action in ("index", "create") for each in items):
            assert self._ground.indexer is not None
            return await self._ground.indexer.index([each.item for each in items])
        return await self._post(items)

    async def _post(self, items: Sequence[_Item]) -> Sequence[IndexOutcome]:
        if self._session is None:
            options = self._options
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=options.timeout),
                connector=aiohttp.TCPConnector(ssl=self._tls),
            )
        site = self._ground.site
        hosts = self._options.hosts or (f"http://{site.listen}:{site.port(PORT_ELASTIC)}",)
        host = hosts[self._next % len(hosts)]
        self._next += 1
        scheme = "https" if self._options.ssl_enabled else "http"
        base = (host if "://" in host else f"{scheme}://{host}").rstrip("/") + self._options.path.rstrip("/")
        url = base + (self._options.bulk_path or "/_bulk")
        headers = {"Content-Type": "application/x-ndjson", **self._options.custom_headers, **self._credentials()}
        try:
            async with self._session.post(
                url, data=_bulk(items, self._options), headers=headers, params=dict(self._options.parameters)
            ) as answer:
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
    if options.script_type not in ("inline", "indexed") or (options.script and options.action != "update"):
        raise Invalid(what=what, why="a script goes with update, inline or indexed", fix='action => "update"')
    if options.upsert:
        try:
            msgspec.json.decode(options.upsert)
        except msgspec.DecodeError as error:
            raise Invalid(what=what, why=f"upsert is no JSON: {error}", fix="upsert => '{\"count\": 0}'") from error


def _bulk(items: Sequence[_Item], options: ElasticOptions) -> bytes:
    lines: list[bytes] = []
    for each in items:
        item = each.item
        about = {"_index": item.index, "_id": item.id, "routing": item.routing, "pipeline": item.pipeline}
        head: dict[str, object] = {name: value for name, value in about.items() if value}
        if each.action == "update":
            head["retry_on_conflict"] = options.retry_on_conflict
        if options.version:
            head["version"] = int(each.event.sprintf(options.version))
        if options.version_type:
            head["version_type"] = options.version_type
        lines.append(msgspec.json.encode({each.action: head}))
        if each.action == "update":
            lines.append(_update(each, options))
        elif each.action != "delete":
            lines.append(item.source)
    return b"\n".join((*lines, b""))


def _update(each: _Item, options: ElasticOptions) -> bytes:
    document = msgspec.Raw(each.item.source)
    body: dict[str, object] = {"doc": document}
    if options.script:
        script: dict[str, object] = {"params": {options.script_var_name: document}}
        if options.script_type == "inline":
            script |= {"source": each.event.sprintf(options.script), "lang": options.script_lang}
        else:
            script["id"] = each.event.sprintf(options.script)
        body = {"script": script, **({"scripted_upsert": True} if options.scripted_upsert else {})}
    if options.upsert:
        body["upsert"] = msgspec.Raw(each.event.sprintf(options.upsert).encode())
    elif options.doc_as_upsert:
        body |= {"upsert": document} if options.script else {"doc_as_upsert": True}
    elif options.scripted_upsert:
        body["upsert"] = {}
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
