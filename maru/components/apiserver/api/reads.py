"""get, list and watch over HTTP.

A watch that falls silent sends bookmarks; while events come fast, what came in a few milliseconds is
sent together, so that a hundred watchers do not wake a hundred times for each event.
Source: Kubernetes API concepts, "Efficient detection of changes"; k8s.io/apiserver/pkg/endpoints/
handlers/get.go and watch.go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.render import LIST_SHAPES, ONE_SHAPES, Renderer
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.feed import INITIAL_END, Feed, Seen, Wanted, open_feed
from maru.components.apiserver.engine.verbs.listing import check_version, list_documents
from maru.components.apiserver.engine.verbs.selection import select
from maru.components.apiserver.errors import expired, not_found
from maru.components.apiserver.model.negotiate import JSON, Form, choose
from maru.components.apiserver.model.options import ListOptions
from maru.components.apiserver.model.path import Target
from maru.core.errors import Gone
from maru.core.front.message import Answer, Request
from maru.core.limits import WATCH_DEADLINE_S

WATCH_PACE_S = 0.02
"""The least time between two sends of one watch; what comes in between is sent together."""
_SEND_BYTES = 256 * 1024


async def get(house: House, call: Call, request: Request) -> Answer:
    """One document."""
    form = choose(request.headers.get("Accept", ""), ONE_SHAPES)
    check_version(house.store, request.query_get("resourceVersion"))
    document = house.store.get(call.key)
    if document is None:
        raise not_found(call.served.resource, call.name)
    renderer = renderer_of(house, call, request, form)
    return answers.of_bytes(await renderer.one(document), content_type=form.content_type)


async def list_(house: House, call: Call, request: Request, options: ListOptions) -> Answer:
    """A page of documents."""
    form = choose(request.headers.get("Accept", ""), LIST_SHAPES)
    selection = select(call.served, options.labels, options.fields)
    listed = list_documents(house.store, call.served.stored.storage, call.namespace, selection, options)
    renderer = renderer_of(house, call, request, form)
    return answers.of_bytes(await renderer.listing(listed), content_type=form.content_type)


async def watch(house: House, call: Call, request: Request, options: ListOptions) -> Answer:
    """A stream of events. What is wrong with the revision is the first event, as clients expect."""
    form = choose(request.headers.get("Accept", ""), LIST_SHAPES | ONE_SHAPES)
    form = Form(JSON, form.shape, form.version)
    selection = select(call.served, options.labels, options.fields)
    renderer = renderer_of(house, call, request, form)
    try:
        wanted = Wanted(call.served.stored.storage, call.namespace, selection)
        feed = open_feed(house.store, wanted, options, house.clock)
    except Gone as error:
        return Answer(200, _once(answers.error_line(error)), {"Content-Type": JSON})
    deadline_s = options.timeout_s or WATCH_DEADLINE_S * (1 + house.ids.fraction())
    stream = _stream(house, feed, renderer, house.clock.monotonic_s() + deadline_s)
    if call.served.custom is not None:
        stream = _held(house, call.served.custom.definition, feed, stream)
    return Answer(200, stream, {"Content-Type": form.media, "Cache-Control": "no-cache, private"})


def renderer_of(house: House, call: Call, request: Request, form: Form) -> Renderer:
    """What makes the answers of this request."""
    return Renderer(
        call.served,
        form,
        house.clock.now(),
        include=request.query_get("includeObject") if form.shape else "",
        pretty=request.query_get("pretty") in ("true", "1"),
    )


async def _held(house: House, definition: str, feed: Feed, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with house.feeds.holding(definition, feed):
        async for chunk in stream:
            yield chunk


async def _once(line: bytes) -> AsyncIterator[bytes]:
    yield line


async def _stream(house: House, feed: Feed, renderer: Renderer, deadline_s: float) -> AsyncIterator[bytes]:
    clock = house.clock
    is_first = True
    sent_s = float("-inf")
    try:
        yield b""
        async for batch in feed.batches(deadline_s):
            lines = await _lines(renderer, batch, is_first=is_first)
            is_first = False
            for chunk in _chunks(lines):
                yield chunk
            now_s = clock.monotonic_s()
            if now_s - sent_s < WATCH_PACE_S:
                await clock.sleep(WATCH_PACE_S)
            sent_s = now_s
    except Gone as error:
        yield answers.error_line(expired(f"The resourceVersion for the provided watch is too old. ({error.why})"))
    finally:
        feed.close()


async def _lines(renderer: Renderer, batch: Sequence[Seen], *, is_first: bool) -> list[bytes]:
    if renderer.is_plain:
        return [
            renderer.bookmark(change.version, is_initial_end=change.kind == INITIAL_END, is_first=False)
            if change.document is None
            else change.document.event_line(change.kind)
            for change in batch
        ]
    documents = [change.document for change in batch if change.document is not None]
    shown = iter(await renderer.converted(documents))
    lines: list[bytes] = []
    for change in batch:
        starts = is_first and not lines
        if change.document is None:
            is_end = change.kind == INITIAL_END
            lines.append(renderer.bookmark(change.version, is_initial_end=is_end, is_first=starts))
        else:
            lines.append(renderer.line(change.kind, next(shown), is_first=starts))
    return lines


def _chunks(lines: list[bytes]) -> Sequence[bytes]:
    """The lines joined, in parts that a slow client need not take at once."""
    if len(lines) == 1:
        return lines
    chunks: list[bytes] = []
    part: list[bytes] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= _SEND_BYTES:
            chunks.append(b"".join(part))
            part, size = [], 0
    if part:
        chunks.append(b"".join(part))
    return chunks


def watching(options: ListOptions, target: Target) -> ListOptions:
    """The options of a watch, also by the old /watch/ path, whose name narrows to one document."""
    options = replace(options, watch=True)
    if target.watch and target.name:
        term = f"metadata.name={target.name}"
        options = replace(options, fields=f"{options.fields},{term}" if options.fields else term)
    return options
