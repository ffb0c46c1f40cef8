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


class _Elapsed:
    """begun: by id, when that was by the event's own time and by the clock."""

    def __init__(self, options: ElapsedOptions, tools: Tools) -> None:
        self._options = options
        self._tools = tools
        self._unique = parse_reference(options.unique_id_field)
        self._decoration = decoration_of(options)
        self._begun: OrderedDict[str, tuple[datetime, float]] = OrderedDict()
        self._is_ecs = options.ecs_compatibility != "disabled"

    def run(self, batch: Batch) -> Batch:
        out: Batch = []
        for event in batch:
            out.append(event)
            identity, tags = event.get(self._unique), event.fields.get(TAGS)
            if identity is None or not isinstance(tags, list):
                continue
            if self._options.start_tag in tags:
                self._begin(text_of(identity), event)
            elif self._options.end_tag in tags:
                out += self._end(text_of(identity), event)
        return out

    def flush(self) -> Batch:
        """One event for each that was begun over `timeout` ago and never ended."""
        now_s = self._tools.monotonic_s()
        due = [one for one, (_, begun_s) in self._begun.items() if now_s - begun_s >= self._options.timeout]
        return [self._expired(identity, now_s) for identity in due]

    def _begin(self, identity: str, event: Event) -> None:
        if self._options.keep_start_event == "last" or identity not in self._begun:
            self._begun[identity] = event.timestamp or self._tools.now(), self._tools.monotonic_s()
        if len(self._begun) > BEGUN_MAX:
            self._begun.popitem(last=False)

    def _end(self, identity: str, event: Event) -> Batch:
        """The events that are made beside the one that ends."""
        (began, _), moment = self._begun.pop(identity, (None, 0.0)), event.timestamp or self._tools.now()
        if began is None or (moment - began).total_seconds() > self._options.timeout:
            event.tag("elapsed_end_without_start")
            return []
        is_new = self._options.new_event_on_match
        target = Event({"@timestamp": moment, "@version": "1"}) if is_new else event
        if is_new:
            target.put(self._unique, identity)
        self._tell(target, began, (moment - began).total_seconds(), "elapsed_match")
        return [target] if is_new else []

    def _expired(self, identity: str, now_s: float) -> Event:
        began, begun_s = self._begun.pop(identity)
        event = Event({"@timestamp": self._tools.now(), "@version": "1", "host": {"name": socket.gethostname()}})
        event.put(self._unique, identity)
        self._tell(event, began, now_s - begun_s, "elapsed_expired_error")
        return event

    def _tell(self, event: Event, began: datetime, seconds: float, tag: str) -> None:
        if self._is_ecs:
            event.put(("event", "duration"), int(seconds * 1e9))
        else:
            event.put(("elapsed_time",), seconds)
        event.put(("elapsed_timestamp_start",), began)
        event.tag("elapsed")
        event.tag(tag)
        self._decoration.apply(event)


def build(plugin: Plugin, tools: Tools) -> Remembering:
    """Raises Invalid as options do."""
    elapsed = _Elapsed(options_of(plugin, ElapsedOptions, "filter"), tools)
    return Remembering(elapsed.run, elapsed.flush)
