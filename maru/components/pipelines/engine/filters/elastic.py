"""elasticsearch: an earlier document is looked for, and its fields are copied into the event.

Source: Logstash reference, "Elasticsearch filter plugin".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import msgspec

from maru.components.pipelines.engine.elastic_hosts import Cluster, FilterCluster
from maru.components.pipelines.engine.filters.asking import asking
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Filter, formatted_value
from maru.components.pipelines.model.options import options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin


class LookupOptions(FilterCluster, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """query: Lucene's syntax; query_template: a file with a search's body. fields: the document's, to the event's."""

    index: str = ""
    query: str = "*"
    query_template: str = ""
    fields: Mapping[str, str] = {}
    docinfo_fields: Mapping[str, str] = {}
    aggregation_fields: Mapping[str, str] = {}
    enable_sort: bool = True
    sort: str = "@timestamp:desc"
    result_size: int = 1
    tag_on_failure: Sequence[str] = ("_elasticsearch_lookup_failure",)


def build(plugin: Plugin, ground: Ground) -> Filter:
    """Raises Invalid: no cluster, a template that is no JSON."""
    options = options_of(plugin, LookupOptions, "filter")
    cluster = Cluster(options, ground, "filter plugin 'elasticsearch'")
    template = _template(options, ground)

    async def is_successful(event: Event) -> bool:
        try:
            answer = await cluster.ask("POST", _path(event, options), _body(event, options, template))
            if "error" in answer:
                raise ValueError("the search failed")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            for tag in options.tag_on_failure:
                event.tag(tag)
            return False
        hits = answer.get("hits", {}).get("hits", [])
        for of, names in (("_source", options.fields), ("", options.docinfo_fields)):
            for name, target in names.items() if hits else ():
                _put(event, [_inside(hit.get(of, {}) if of else hit, parse_reference(name)) for hit in hits], target)
        for name, target in options.aggregation_fields.items():
            event.put(parse_reference(event.sprintf(target)), answer.get("aggregations", {}).get(name))
        return bool(hits)

    return asking(options, is_successful)


def _template(options: LookupOptions, ground: Ground) -> Value | None:
    if not options.query_template:
        return None
    try:
        read = msgspec.json.decode(ground.read_file(Path(options.query_template)))
    except msgspec.DecodeError as error:
        raise Invalid(what=options.query_template, why=f"it is no JSON: {error}", fix="correct it") from error
    if not isinstance(read, dict):
        raise Invalid(what=options.query_template, why="it is no object", fix='{"query": ...}')
    return read


def _path(event: Event, options: LookupOptions) -> str:
    index = event.sprintf(options.index)
    return f"/{index}/_search" if index else "/_search"


def _body(event: Event, options: LookupOptions, template: Value | None) -> Value:
    if template is not None:
        found = formatted_value(event, template)
        assert isinstance(found, dict)
        return found
    body: Value = {"query": {"query_string": {"query": event.sprintf(options.query)}}, "size": options.result_size}
    if options.enable_sort:
        body["sort"] = [
            {name: order or "desc"} for name, _, order in (part.partition(":") for part in options.sort.split(","))
        ]
    return body


def _inside(holder: object, reference: Reference) -> object:
    for name in reference:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder


def _put(event: Event, values: Sequence[object], target: str) -> None:
    """One value as it is, several as a list."""
    there = [value for value in values if value is not None]
    if there:
        event.put(parse_reference(event.sprintf(target)), there[0] if len(there) == 1 else there)
