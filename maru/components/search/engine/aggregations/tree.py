"""The aggregations of a request as a tree, and what running them stands on.

Source: Elasticsearch reference, "Aggregations"; AggregatorFactories.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import Context
from maru.components.search.engine.searching.rows import Row, field_values
from maru.components.search.errors import failure, illegal, parsing, unsupported
from maru.components.search.model.mapping.extract import raw_at
from maru.components.search.model.mapping.fields import Field, family_of
from maru.wire.elastic.dates import Format
from maru.wire.elastic.json import Json, Object

if TYPE_CHECKING:
    import tantivy

BUCKETS = (
    "terms",
    "date_histogram",
    "auto_date_histogram",
    "histogram",
    "range",
    "date_range",
    "ip_range",
    "filter",
    "filters",
    "adjacency_matrix",
    "missing",
    "global",
    "nested",
    "reverse_nested",
    "composite",
    "significant_terms",
    "rare_terms",
    "multi_terms",
    "sampler",
    "diversified_sampler",
    "geo_distance",
    "geohash_grid",
    "geotile_grid",
    "random_sampler",
)
METRICS = (
    "avg",
    "sum",
    "min",
    "max",
    "stats",
    "extended_stats",
    "value_count",
    "cardinality",
    "percentiles",
    "percentile_ranks",
    "top_hits",
    "top_metrics",
    "median_absolute_deviation",
    "weighted_avg",
    "geo_bounds",
    "geo_centroid",
    "boxplot",
    "string_stats",
    "rate",
)
PIPELINES = (
    "derivative",
    "cumulative_sum",
    "moving_fn",
    "moving_avg",
    "bucket_sort",
    "bucket_script",
    "bucket_selector",
    "avg_bucket",
    "sum_bucket",
    "min_bucket",
    "max_bucket",
    "stats_bucket",
    "extended_stats_bucket",
    "percentiles_bucket",
    "serial_diff",
    "cumulative_cardinality",
    "normalize",
)
_UNDONE = (
    "scripted_metric",
    "significant_text",
    "children",
    "parent",
    "matrix_stats",
    "t_test",
    "variable_width_histogram",
    "categorize_text",
    "time_series",
    "geo_line",
    "frequent_item_sets",
    "inference",
    "ip_prefix",
)


@dataclass(frozen=True)
class Aggregation:
    """One named aggregation and those below it."""

    name: str
    kind: str
    params: Object
    below: tuple[Aggregation, ...] = ()
    meta: Json = None

    @property
    def is_pipeline(self) -> bool:
        return self.kind in PIPELINES


@dataclass(frozen=True)
class Scope:
    """Where a level stands: in nested objects of a path, each of them with the row it belongs to."""

    path: str = ""
    objects: dict[tuple[int, int], list[Json]] = field(default_factory=dict)


@dataclass
class Work:
    """One search's aggregations. queries: of each context. buckets: made so far."""

    contexts: Sequence[Context]
    queries: Sequence[tantivy.Query]
    buckets_max: int
    is_typed: bool = False
    buckets: int = 0

    def count_buckets(self, amount: int) -> None:
        """Raises too_many_buckets_exception."""
        self.buckets += amount
        if self.buckets > self.buckets_max:
            raise failure(
                400,
                "too_many_buckets_exception",
                f"Trying to create too many buckets. Must be less than or equal to: [{self.buckets_max}] but "
                f"was [{self.buckets}]. This limit can be set by changing "
                "the [search.max_buckets] cluster level setting.",
                is_of_shard=True,
                max_buckets=self.buckets_max,
            )

    def find(self, name: str) -> Field | None:
        """The field in the first index that has it."""
        for context in self.contexts:
            known = context.mapping.find(name)
            if known is not None:
                return known
            inner = context.mapping.flattened(name)
            if inner is not None:
                return Field(name, "keyword", {}, name)
        return None

    def field(self, one: Aggregation, *, numeric: bool = False) -> Field | None:
        """The field of an aggregation. Raises what the server says of fields it cannot use."""
        if "script" in one.params:
            raise unsupported("a script in an aggregation")
        name = one.params.get("field")
        if name is None:
            raise illegal("Required one of fields [field, script], but none were specified. ")
        known = self.find(str(name))
        if known is not None:
            from maru.components.search.engine.searching.sorting import check_values

            check_values(known)
            if numeric and family_of(known.kind) not in ("whole", "decimal", "date", "boolean", "unsigned"):
                raise failure(
                    400,
                    "illegal_argument_exception",
                    f"Field [{name}] of type [{known.kind}] is not supported for aggregation [{one.kind}]",
                    is_of_shard=True,
                )
        return known

    def values(self, row: Row, name: str, scope: Scope, missing: Json = None) -> list[Json]:
        """The values of a field in a row, or in the nested object that stands for it."""
        if name == "_id":
            return [row.id]
        if name == "_index":
            return [row.index]
        known = row.place.target.mapping.find(name)
        if known is None:
            found = (
                []
                if row.place.target.mapping.flattened(name) is None
                else field_values(Field(name, "keyword", {}, name), row.source)
            )
        elif scope.path and known.nested:
            found = [
                value
                for inner in scope.objects.get((row.place.order, row.seq), [])
                for value in field_values_in(known, inner, scope.path)
            ]
        else:
            found = row.values(known)
            if known.is_text and known.analyzer is not None:
                found = [token.text for value in found for token in known.analyzer.tokens(value)]
        if not found and missing is not None:
            return [missing]
        return found


def field_values_in(known: Field, inner: Json, path: str) -> list[Json]:
    """Values of a field within one nested object of `path`."""
    source: Json = inner
    for part in reversed(path.split(".")):
        source = {part: source}
    return field_values(known, source)


def objects_at(row: Row, path: str) -> list[Json]:
    """The nested objects of a row."""
    found = raw_at(row.source, path)
    flat: list[Json] = []

    def walk(value: Json) -> None:
        if isinstance(value, list):
            for one in value:
                walk(one)
        elif isinstance(value, dict):
            flat.append(value)

    walk(found)
    return flat


def parse_aggregations(aggs: Object, depth: int = 0) -> tuple[Aggregation, ...]:
    """Raises parsing_exception in the server's words."""
    found = []
    for name, body in aggs.items():
        if not re.fullmatch(r"[^\[\]>]+", name):
            raise parsing(
                f"Invalid aggregation name [{name}]. Aggregation names can contain any character except '[', "
                "']', and '>'"
            )
        if not isinstance(body, dict):
            raise parsing(
                f"Aggregation definition for [{name} starts with a [VALUE_STRING], expected a [START_OBJECT]."
            )
        kinds = [kind for kind in body if kind not in ("aggs", "aggregations", "meta")]
        if not kinds:
            raise parsing(f"Missing definition for aggregation [{name}]")
        if len(kinds) > 1:
            raise parsing(f"Found two aggregation type definitions in [{name}]: [{kinds[0]}] and [{kinds[1]}]")
        kind = kinds[0]
        if kind in _UNDONE:
            raise unsupported(f"the aggregation [{kind}]")
        if kind not in (*BUCKETS, *METRICS, *PIPELINES):
            cause = {"type": "named_object_not_found_exception", "reason": f"[1:1] unknown field [{kind}]"}
            raise failure(
                400, "parsing_exception", f"Unknown aggregation type [{kind}]", line=1, col=1, caused_by=cause
            )
        below = parse_aggregations(body.get("aggs") or body.get("aggregations") or {}, depth + 1)
        if below and kind in METRICS:
            raise failure(
                400,
                "aggregation_initialization_exception",
                f"Aggregator [{name}] of type [{kind}] cannot accept sub-aggregations",
            )
        params = body[kind]
        if not isinstance(params, dict):
            raise parsing(f"Expected [START_OBJECT] under [{kind}], but got a [VALUE_STRING] in [{name}]")
        found.append(Aggregation(name, kind, params, below, body.get("meta")))
    return tuple(found)


def key_text(known: Field | None, value: Json, form: str = "") -> str | None:
    """The key_as_string of a value; None where it has none."""
    if known is None:
        return None
    family = family_of(known.kind)
    if family == "date":
        return Format(form).write(value) if form else known.format.write(value)
    if family == "boolean":
        return "true" if value else "false"
    if form and isinstance(value, int | float):
        digits = len(form.partition(".")[2]) if "." in form else 0
        return f"{value:.{digits}f}"
    return None
