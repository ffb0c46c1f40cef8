"""What is shown of each hit: source, fields, highlights, inner hits, explanation.

Source: Elasticsearch reference, "Retrieve selected fields", "Highlighting", "Retrieve inner hits", "Explain API".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from maru.components.search.engine.queries.compiling import named_queries, nested_queries
from maru.components.search.engine.queries.compound import nested_rows
from maru.components.search.engine.queries.context import Context
from maru.components.search.engine.searching.highlighting import Highlighter
from maru.components.search.engine.searching.request import SearchRequest
from maru.components.search.engine.searching.rows import Row
from maru.components.search.engine.searching.sorting import shown
from maru.components.search.errors import illegal
from maru.components.search.model.mapping.columns import SEQ
from maru.components.search.model.mapping.extract import filtered, raw_at, values_at
from maru.components.search.model.mapping.fields import Field, family_of
from maru.wire.elastic.dates import Format
from maru.wire.elastic.json import Json, Object

SourceFilter = tuple[bool, list[str], list[str]]
Inner = Callable[[Object, Json, "Row | None"], Object]


def source_filter(given: Json) -> SourceFilter:
    """(shown at all, includes, excludes) of `_source`. Raises illegal_argument."""
    if given is None or given is True or given == "true":
        return True, [], []
    if given is False or given == "false":
        return False, [], []
    if isinstance(given, str):
        return True, given.split(","), []
    if isinstance(given, list):
        return True, [str(one) for one in given], []
    if isinstance(given, dict):
        includes = given.get("includes", given.get("include", []))
        excludes = given.get("excludes", given.get("exclude", []))
        return True, _list(includes), _list(excludes)
    raise illegal(f"Expected one of [VALUE_BOOLEAN, START_OBJECT] but found [{given}]")


class Fetcher:
    """Shows the rows of one request. inner: runs a search within."""

    def __init__(self, request: SearchRequest, contexts: Sequence[Context], inner: Inner) -> None:
        body = request.body
        self._request = request
        self._contexts = {context.place.order: context for context in contexts}
        self._inner = inner
        stored = body.get("stored_fields")
        default = True if stored in (None, []) else "_source" in _list(stored)
        self._source = source_filter(body.get("_source", default if stored is not None else None))
        self._is_bare = stored in ("_none_", ["_none_"])
        self._highlighter = Highlighter(body["highlight"], request.query) if body.get("highlight") else None
        self._named = named_queries(request.query) + named_queries(body.get("post_filter"))
        self._nested = nested_queries(request.query)

    def hits(self, rows: Sequence[Row]) -> list[Object]:
        """The `hits` of an answer."""
        named = self._matches(rows)
        return [self._hit(row, named) for row in rows]

    def _matches(self, rows: Sequence[Row]) -> dict[tuple[int, int], list[str]]:
        found: dict[tuple[int, int], list[str]] = {}
        for name, query in self._named:
            for order, context in self._contexts.items():
                seqs = [row.seq for row in rows if row.place.order == order]
                if seqs:
                    wanted = context.both(context.compile(query), context.constant(context.terms(SEQ, seqs), 0.0))
                    for row in context.rows(wanted):
                        found.setdefault((order, row.seq), []).append(name)
        return found

    def _hit(self, row: Row, named: dict[tuple[int, int], list[str]]) -> Object:
        body, request = self._request.body, self._request
        record = row.record
        hit: Object = {"_index": row.index}
        if not self._is_bare:
            hit["_id"] = record.id
        if body.get("explain") in (True, "true"):
            hit = {"_shard": f"[{row.index}][0]", "_node": "maru", **hit}
        if body.get("version") in (True, "true"):
            hit["_version"] = record.version
        if body.get("seq_no_primary_term") in (True, "true"):
            hit |= {"_seq_no": record.seq, "_primary_term": record.term}
        hit["_score"] = row.score if request.keeps_scores else None
        if record.routing:
            hit["_routing"] = record.routing
        ignored = self._ignored(row)
        if ignored:
            hit["_ignored"] = ignored
        is_shown, includes, excludes = self._source
        mapping = row.place.target.mapping
        if is_shown and not self._is_bare and mapping.keeps_source:
            source = (
                filtered(row.source, list(mapping.source_includes), list(mapping.source_excludes))
                if mapping.source_includes or mapping.source_excludes
                else row.source
            )
            hit["_source"] = filtered(source, includes, excludes)
        fields = self._fields(row)
        if fields:
            hit["fields"] = fields
        if self._highlighter is not None:
            marks = self._highlighter.of(row)
            if marks:
                hit["highlight"] = marks
        if request.sort:
            hit["sort"] = [shown(key, value, row) for key, value in zip(request.sort, row.sort, strict=False)]
        matched = named.get((row.place.order, row.seq))
        if matched:
            hit["matched_queries"] = matched
        if body.get("explain") in (True, "true"):
            hit["_explanation"] = explanation(self._contexts[row.place.order], request.query, row)
        inner = self._inner_hits(row)
        if inner:
            hit["inner_hits"] = inner
        return hit

    def _ignored(self, row: Row) -> list[str]:
        mapping = row.place.target.mapping
        names = []
        for path, known in mapping.fields.items():
            above = known.params.get("ignore_above")
            if (
                above is not None
                and any(isinstance(one, str) and len(one) > int(above) for one in values_at(row.source, known.source))
            ) or (
                known.params.get("ignore_malformed") in (True, "true")
                and len(row.values(known)) < len(values_at(row.source, known.source))
            ):
                names.append(path)
        return sorted(names)

    def _fields(self, row: Row) -> Object:
        body = self._request.body
        fields: Object = {}
        mapping = row.place.target.mapping
        for spec in [*(body.get("fields") or []), *(body.get("docvalue_fields") or [])]:
            name = spec["field"] if isinstance(spec, dict) else str(spec)
            form = str(spec.get("format", "")) if isinstance(spec, dict) else ""
            for path, known in mapping.matching(name):
                if known.nested or ("*" in name and known.path.startswith("_")):
                    continue
                values = shown_values(known, row, form)
                if values:
                    fields[path] = values
        for name in _list(body.get("stored_fields") or []):
            for path, known in mapping.matching(name):
                if known.params.get("store") in (True, "true"):
                    values = shown_values(known, row, "")
                    if values:
                        fields[path] = values
        collapse = body.get("collapse")
        if collapse:
            known_field = mapping.find(str(collapse.get("field")))
            values = shown_values(known_field, row, "") if known_field is not None else []
            fields[collapse["field"]] = values or [None]
        return fields

    def _inner_hits(self, row: Row) -> Object:
        found: Object = {}
        context = self._contexts[row.place.order]
        for body in self._nested:
            told = body["inner_hits"] or {}
            path = str(body["path"])
            objects = nested_rows(
                context, path, {"bool": {"must": [body["query"]], "filter": [{"ids": {"values": [row.id]}}]}}
            )
            objects.sort(key=lambda one: (-one.score, one.offset))
            own = _list_of(raw_at(row.source, path))
            start, size = int(told.get("from", 0)), int(told.get("size", 3))
            firsts = min((one.offset for one in nested_rows(context, path, {"ids": {"values": [row.id]}})), default=0)
            hits = []
            for one in objects[start : start + size]:
                offset = one.offset - firsts
                hit: Object = {
                    "_index": row.index,
                    "_id": row.id,
                    "_nested": {"field": path, "offset": offset},
                    "_score": one.score,
                }
                is_shown, includes, excludes = source_filter(told.get("_source"))
                if is_shown:
                    hit["_source"] = (
                        filtered(own[offset], includes, excludes)
                        if offset < len(own) and isinstance(own[offset], dict)
                        else {}
                    )
                hits.append(hit)
            top = max((one.score for one in objects), default=None)
            total: Json = {"value": len(objects), "relation": "eq"} if not self._request.has_total_int else len(objects)
            found[str(told.get("name", path))] = {"hits": {"total": total, "max_score": top, "hits": hits}}
        collapse = self._request.body.get("collapse")
        if collapse and collapse.get("inner_hits"):
            known = row.place.target.mapping.find(str(collapse["field"]))
            values = row.values(known) if known is not None else []
            group: Json = (
                {
                    "term": {
                        collapse["field"]: known.format.write(values[0])
                        if known is not None and family_of(known.kind) == "date"
                        else bool(values[0])
                        if known is not None and known.kind == "boolean"
                        else values[0]
                    }
                }
                if values
                else {"bool": {"must_not": {"exists": {"field": collapse["field"]}}}}
            )
            query: Json = {"bool": {"must": [self._request.query or {"match_all": {}}], "filter": [group]}}
            for told in (
                collapse["inner_hits"] if isinstance(collapse["inner_hits"], list) else [collapse["inner_hits"]]
            ):
                found[str(told.get("name", collapse["field"]))] = self._inner(
                    {key: one for key, one in told.items() if key != "name"}, query, row
                )
        return found


def shown_values(known: Field, row: Row, form: str) -> list[Json]:
    """The values of a field as `fields` shows them."""
    family = family_of(known.kind)
    if family == "text":
        return [str(one) if not isinstance(one, dict) else one for one in values_at(row.source, known.source)]
    if family == "stored":
        found = raw_at(row.source, known.source)
        return found if isinstance(found, list) else [] if found is None else [found]
    values = row.values(known)
    if family == "date":
        spelled = Format(form) if form else known.format
        return [spelled.write(one) for one in values]
    if family == "boolean":
        return [bool(one) for one in values]
    if family == "geo":
        return [{"type": "Point", "coordinates": [longitude, latitude]} for latitude, longitude in values]
    if form and family in ("whole", "decimal"):
        return [_decimal_format(one, form) for one in values]
    return values


def _decimal_format(value: float, form: str) -> str:
    digits = len(form.partition(".")[2].replace("#", "0")) if "." in form else 0
    return f"{value:.{digits}f}"


def explanation(context: Context, query: Json, row: Row) -> Object:
    """Why the row has its score, as the index tells."""
    compiled = context.compile(query if query is not None else {"match_all": {}})
    told = json.loads(compiled.explain(context.place.searcher, row.address).to_json())
    return _explained(told)


def _explained(told: Object) -> Object:
    return {
        "value": told["value"],
        "description": told["description"],
        "details": [_explained(one) for one in told.get("details") or []],
    }


def _list(given: Json) -> list[str]:
    if given is None:
        return []
    return [str(one) for one in given] if isinstance(given, list) else str(given).split(",")


def _list_of(given: Json) -> list[Json]:
    return given if isinstance(given, list) else [] if given is None else [given]


def fits(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern with asterisks."""
    return fnmatchcase(name, pattern)
