"""Inputs that ask for what they bring: http_poller, elasticsearch, s3.

Source: Logstash reference, the input plugins of these names; rufus-scheduler's every, cron, at and in.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import aiohttp
import msgspec

from maru.components.pipelines.engine.elastic_hosts import Cluster, InputCluster
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, Pending, codec_of
from maru.components.pipelines.engine.s3_client import S3, Found
from maru.components.pipelines.engine.sessions import InputTls, Sessions, tls_of
from maru.components.pipelines.model.codecs.packed import unzipped
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.document import Value
from maru.core.errors import Invalid, Unavailable
from maru.core.identity.files import read_blocking, write_private_blocking
from maru.kinds.cron import parse
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

ANSWER_BYTES_MAX = 256 << 20
EVENTS_MAX = 1024  # handed on at once
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw]?)")
_UNITS_S = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class PollerOptions(InputTls, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """urls: by name, a URL or a hash of url, method, headers, body, user, password. schedule: every, cron, in or at."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    urls: Mapping[str, object]
    schedule: Mapping[str, str]
    request_timeout: float = 60
    user: str = ""
    password: str = ""
    target: str = ""
    metadata_target: str = "@metadata"
    ecs_compatibility: str = "v8"


class SearchOptions(InputCluster, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """query: a search's body in JSON; all its hits become events. schedule: of cron; none: once."""

    not_done: ClassVar[frozenset[str]] = frozenset(["slices"])
    without_effect: ClassVar[frozenset[str]] = frozenset(["scroll", "search_api", "ecs_compatibility"])

    index: str = "logstash-*"
    query: str = '{"sort": ["_doc"]}'
    size: int = 1000
    schedule: str = ""
    docinfo: bool = False
    docinfo_target: str = "[@metadata][input][elasticsearch]"
    docinfo_fields: Sequence[str] = ("_index", "_type", "_id")
    target: str = ""
    scroll: str = "1m"
    search_api: str = "auto"
    slices: int = 1
    ecs_compatibility: str = "v8"


class S3InputOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """interval: s between two listings; sincedb_path: where it is kept which objects were read."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    bucket: str
    region: str = "us-east-1"
    endpoint: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    prefix: str = ""
    interval: float = 60
    watch_for_new_files: bool = True
    exclude_pattern: str = ""
    gzip_pattern: str = "\\.gz(ip)?$"
    delete: bool = False
    include_object_properties: bool = False
    sincedb_path: str = ""
    ecs_compatibility: str = "v8"


def span_s(written: str) -> float:
    """Seconds of "60s", "1m 30s", "0.5". Raises Invalid."""
    parts = _SPAN.findall(written)
    if not parts or _SPAN.sub("", written).strip():
        raise Invalid(what="schedule", why=f"{written!r} is no span of time", fix='as in "60s"')
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


async def _times(schedule: Mapping[str, str], ground: Ground) -> AsyncIterator[None]:
    """Returns at each time of the schedule."""
    (kind, written), *_ = schedule.items()
    if kind == "every":
        while True:
            began_s = ground.monotonic_s()
            yield
            await ground.clock.sleep(max(span_s(written) - (ground.monotonic_s() - began_s), 0))
    elif kind == "cron":
        times = parse(written)
        while (at := times.next(now := ground.now())) is not None:
            await ground.clock.sleep((at - now).total_seconds())
            yield
    else:
        wait_s = span_s(written) if kind == "in" else (_moment(written) - ground.now()).total_seconds()
        await ground.clock.sleep(max(wait_s, 0))
        yield


def _checked(schedule: Mapping[str, str], what: str) -> Mapping[str, str]:
    if len(schedule) != 1 or not schedule.keys() <= {"every", "cron", "in", "at"}:
        raise Invalid(
            what=what, why=f"schedule {dict(schedule)!r}", fix='schedule => { every => "60s" }, or cron, in, at'
        )
    (kind, written), *_ = schedule.items()
    {"every": span_s, "in": span_s, "cron": parse, "at": _moment}[kind](written)
    return schedule


def _moment(written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise Invalid(what="schedule", why=str(error), fix='at => "2026-01-31T12:00:00Z"') from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class HttpPoller:
    """All URLs at each time; what cannot be had is an event with a tag."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options = options_of(plugin, PollerOptions, "input")
        what = f"input plugin 'http_poller' at line {plugin.place.line}"
        self._requests = {name: _request(spec, what) for name, spec in options.urls.items()}
        self._schedule = _checked(options.schedule, what)
        self._sessions = Sessions(tls_of(options, what), options.request_timeout, ground)
        self._ground = ground
        self._dress = Dress(options)
        self._codec = codec_of(options, "json")

    async def run(self, emit: Emit) -> None:
        async for _ in _times(self._schedule, self._ground):
            for name, request in self._requests.items():
                await emit(await self._polled(name, request))

    async def _polled(self, name: str, request: Mapping[str, object]) -> Sequence[Event]:
        options, began_s = self._options, self._ground.monotonic_s()
        user, password = (str(request.get(each) or getattr(options, each)) for each in ("user", "password"))
        headers = {str(key): str(value) for key, value in (request.get("headers") or {}).items()}  # type: ignore[attr-defined]
        if user:
            headers["Authorization"] = aiohttp.encode_basic_auth(user, password)
        about: Value = {"name": name, "request": {"method": request["method"], "url": request["url"]}}
        try:
            async with self._sessions.get().request(
                str(request["method"]), str(request["url"]), headers=headers, data=request.get("body")
            ) as answer:
                content = await answer.content.read(ANSWER_BYTES_MAX)
                about |= {
                    "code": answer.status,
                    "response_message": answer.reason,
                    "response_headers": dict(answer.headers),
                }
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            fields = {"tags": ["_http_request_failure"], "error": {"message": str(error) or type(error).__name__}}
            return [self._event({**fields, "url": {"full": request["url"]}}, about)]
        about["runtime_seconds"] = self._ground.monotonic_s() - began_s
        codec = self._codec()
        values = [*codec.feed(content), *codec.end()]
        target = options.target
        return [self._event({target: value} if target else {**value}, about) for value in values]

    def _event(self, fields: Value, about: Value) -> Event:
        event = self._dress.event(fields, self._ground.now())
        if self._options.metadata_target == "@metadata":
            event.metadata |= about
        else:
            event.put(parse_reference(self._options.metadata_target), about)
        return event


def _request(spec: object, what: str) -> Mapping[str, object]:
    found = {"url": spec} if isinstance(spec, str) else dict(spec) if isinstance(spec, dict) else {}
    unknown = found.keys() - {"url", "method", "headers", "body", "user", "password"}
    if not found.get("url") or unknown:
        raise Invalid(what=what, why=f"urls: {spec!r}", fix='urls => { name => { url => "http://..." method => get } }')
    return {**found, "method": str(found.get("method", "get")).upper()}


class Search:
    """The hits of a search, page by page, each one an event."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options = options_of(plugin, SearchOptions, "input")
        what = f"input plugin 'elasticsearch' at line {plugin.place.line}"
        self._cluster = Cluster(options, ground, what)
        self._schedule = _checked({"cron": options.schedule}, what) if options.schedule else {}
        try:
            self._query: Value = msgspec.json.decode(options.query, type=dict)
        except msgspec.DecodeError as error:
            raise Invalid(
                what=what, why=f"query is no JSON object: {error}", fix="query => '{\"query\": ...}'"
            ) from error
        self._ground = ground
        self._dress = Dress(options)

    async def run(self, emit: Emit) -> None:
        if not self._schedule:
            await self._search(emit)
            return
        async for _ in _times(self._schedule, self._ground):
            await self._search(emit)

    async def _search(self, emit: Emit) -> None:
        point = ""
        try:
            opened = await self._cluster.ask("POST", f"/{self._options.index}/_pit?keep_alive=5m")
            if "id" not in opened:
                raise ValueError(str(opened.get("error", opened))[:300])
            point = opened["id"]
            body: Value = {"sort": ["_doc"], **self._query, "size": self._options.size, "track_total_hits": False}
            while True:
                answer = await self._cluster.ask("POST", "/_search", {**body, "pit": {"id": point, "keep_alive": "5m"}})
                if "error" in answer:
                    raise ValueError(str(answer["error"])[:300])
                hits = answer["hits"]["hits"]
                if not hits:
                    return
                await emit([self._event(hit) for hit in hits])
                body["search_after"] = hits[-1]["sort"]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(what="the search", why=why, fix="look at the cluster, and at the query") from error
        finally:
            if point:
                with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
                    await self._cluster.ask("DELETE", "/_pit", {"id": point})

    def _event(self, hit: Value) -> Event:
        options, source = self._options, hit.get("_source", {})
        event = self._dress.event({options.target: source} if options.target else {**source}, self._ground.now())
        if options.docinfo:
            about = {name: hit[name] for name in options.docinfo_fields if name in hit}
            event.put(parse_reference(options.docinfo_target), about)
        return event


class FromS3:
    """Objects in the order of their keys' time, each once; a position counts once its events are safe."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options = options_of(plugin, S3InputOptions, "input")
        what = f"input plugin 's3' at line {plugin.place.line}"
        try:
            self._exclude = re.compile(options.exclude_pattern) if options.exclude_pattern else None
            self._gzip = re.compile(options.gzip_pattern)
        except re.error as error:
            raise Invalid(what=what, why=str(error), fix="correct the pattern") from error
        self._s3 = S3(options, ground, what)
        self._ground = ground
        self._dress = Dress(options)
        self._codec = codec_of(options, "line")
        written, named = options.sincedb_path, f"s3-{options.bucket}-{options.prefix.replace('/', '_')}"
        self._kept = Path(written) if written else ground.site.folder("pipelines") / "sincedb" / named

    async def run(self, emit: Emit) -> None:
        read = set((await asyncio.to_thread(read_blocking, self._kept) or b"").decode().splitlines())
        while True:
            for found in await self._found():
                name = f"{found.key} {found.etag}"
                if name in read or (self._exclude is not None and self._exclude.search(found.key)):
                    continue
                await self._give(found, emit)
                read.add(name)
                await asyncio.to_thread(self._keep_blocking, read)
            if not self._options.watch_for_new_files:
                return
            await self._ground.clock.sleep(self._options.interval)

    async def _found(self) -> Sequence[Found]:
        found: list[Found] = []
        while page := await self._s3.list(self._options.prefix, found[-1].key if found else ""):
            found += page
        return sorted((each for each in found if each.size_bytes), key=lambda each: (each.modified, each.key))

    async def _give(self, found: Found, emit: Emit) -> None:
        content = await self._s3.get(found.key)
        if self._gzip.search(found.key):
            content = await asyncio.to_thread(unzipped, content)
        codec = self._codec()
        values = [*codec.feed(content), *codec.end()]
        for first in range(0, len(values), EVENTS_MAX):
            part = values[first : first + EVENTS_MAX]
            pending = Pending(len(part))
            await emit([self._event({**value}, found, pending) for value in part])
            await pending.all_safe.wait()
        if self._options.delete:
            await self._s3.delete(found.key)

    def _event(self, fields: Value, found: Found, pending: Pending) -> Event:
        event = self._dress.event(fields, self._ground.now(), pending)
        event.metadata["s3"] = {"key": found.key}
        if self._options.include_object_properties:
            event.metadata["s3"] |= {"size": found.size_bytes, "last_modified": found.modified, "etag": found.etag}
        return event

    def _keep_blocking(self, read: set[str]) -> None:
        self._kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private_blocking(self._kept, "\n".join(sorted(read)).encode())
