"""elapsed: the time between the event that begins something and the one that ends it, by an id.

Source: Logstash reference, "Elapsed filter plugin".
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from datetime import datetime

from maru.components.pipelines.model.event import TAGS, Event, text_of
from maru.components.pipelines.model.filters.shape import Batch, Remembering, Tools, decoration_of
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

BEGUN_MAX = 100_000


class ElapsedOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """timeout: s; keep_start_event: first or last."""

    start_tag: str
    end_tag: str
    unique_id_field: str
    timeout: int = 1800
    new_event_on_match: bool = False
    keep_start_event: str = "first"
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Remembering:
    """Raises Invalid as options do."""
    options = options_of(plugin, ElapsedOptions, "filter")
    unique = parse_reference(options.unique_id_field)
    decoration = decoration_of(options)
    begun: OrderedDict[str, tuple[datetime, float]] = OrderedDict()
    is_ecs = options.ecs_compatibility != "disabled"

    def run(batch: Batch) -> Batch:
        out: Batch = []
        for event in batch:
            out.append(event)
            identity, tags = event.get(unique), event.fields.get(TAGS)
            if identity is None or not isinstance(tags, list):
                continue
            if options.start_tag in tags:
                begin(text_of(identity), event)
            elif options.end_tag in tags:
                out += end(text_of(identity), event)
        return out

    def begin(identity: str, event: Event) -> None:
        if options.keep_start_event == "last" or identity not in begun:
            begun[identity] = event.timestamp or tools.now(), tools.monotonic_s()
        if len(begun) > BEGUN_MAX:
            begun.popitem(last=False)

    def end(identity: str, event: Event) -> Batch:
        """The events that are made beside the one that ends."""
        (began, _), moment = begun.pop(identity, (None, 0.0)), event.timestamp or tools.now()
        if began is None or (moment - began).total_seconds() > options.timeout:
            event.tag("elapsed_end_without_start")
            return []
        target = Event({"@timestamp": moment, "@version": "1"}) if options.new_event_on_match else event
        seconds = (moment - began).total_seconds()
        if is_ecs:
            target.put(("event", "duration"), int(seconds * 1e9))
        else:
            target.put(("elapsed_time",), seconds)
        target.put(("elapsed_timestamp_start",), began)
        if target is not event:
            target.put(unique, identity)
        target.tag("elapsed")
        target.tag("elapsed_match")
        decoration.apply(target)
        return [] if target is event else [target]

    def expired() -> Batch:
        """One event for each that was begun over `timeout` ago and never ended."""
        now_s, out = tools.monotonic_s(), []
        for identity, (moment, begun_s) in list(begun.items()):
            if now_s - begun_s < options.timeout:
                continue
            del begun[identity]
            event = Event({"@timestamp": tools.now(), "@version": "1", "host": {"name": socket.gethostname()}})
            event.tag("elapsed")
            event.tag("elapsed_expired_error")
            event.put(unique, identity)
            if is_ecs:
                event.put(("event", "duration"), int((now_s - begun_s) * 1e9))
            else:
                event.put(("elapsed_time",), now_s - begun_s)
            event.put(("elapsed_timestamp_start",), moment)
            decoration.apply(event)
            out.append(event)
        return out

    return Remembering(run, expired)
