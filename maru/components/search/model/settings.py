"""Index settings: flat and nested forms, defaults, what may change on an open index, and what is refused.

Source: Elasticsearch reference, "Index modules"; IndexScopedSettings.
"""

from __future__ import annotations

from maru.components.search.errors import illegal
from maru.wire.elastic.json import Json, Object, as_text
from maru.wire.elastic.units import duration_s

STATIC = (
    "number_of_shards",
    "codec",
    "routing_partition_size",
    "soft_deletes.enabled",
    "load_fixed_bitset_filters_eagerly",
    "shard.check_on_startup",
    "number_of_routing_shards",
    "sort.field",
    "sort.order",
    "mode",
)
_GROUPS = (
    "analysis.",
    "routing.",
    "mapping.",
    "search.",
    "indexing.",
    "translog.",
    "merge.",
    "blocks.",
    "lifecycle.",
    "sort.",
    "query.",
    "highlight.",
    "unassigned.",
    "soft_deletes.",
    "similarity.",
    "store.",
    "write.",
    "plugins.",
    "shard.",
    "allocation.",
    "resize.",
    "version.",
    "provided_name",
    "queries.",
    "knn",
    "time_series.",
    "look_back_time",
    "opendistro.",
    "replication.",
    "seq_no.",
    "fielddata.",
    "flush_after_merge",
    "warmer.",
    "optimize_auto_generated_id",
    "gateway_local.",
    "recovery.",
    "mapper.",
    "logsdb.",
    "derived_source.",
    "merge_on_flush.",
    "remote_store.",
    "composite_index.",
    "data_path",
    "force_memory_term_dictionary",
    "dense_vector.",
    "esql.",
    "max_slices_per_pit",
)
_SINGLES = {
    "number_of_shards",
    "number_of_replicas",
    "auto_expand_replicas",
    "refresh_interval",
    "max_result_window",
    "max_inner_result_window",
    "max_rescore_window",
    "max_docvalue_fields_search",
    "max_script_fields",
    "max_ngram_diff",
    "max_shingle_diff",
    "max_refresh_listeners",
    "max_terms_count",
    "max_regex_length",
    "gc_deletes",
    "default_pipeline",
    "final_pipeline",
    "hidden",
    "codec",
    "number_of_routing_shards",
    "routing_partition_size",
    "priority",
    "max_slices_per_scroll",
    "uuid",
    "creation_date",
    "verified_before_close",
    "load_fixed_bitset_filters_eagerly",
    "mode",
    "source_only",
    "legacy_template",
    "routing_path",
    "append_only.enabled",
    "check_pending_flush.enabled",
    "data_path",
    "compound_format",
}


def flat(given: Json, prefix: str = "") -> Object:
    """Nested objects to dotted names; values as text, null kept."""
    found: Object = {}
    if not isinstance(given, dict):
        return {prefix.rstrip("."): given}
    for name, value in given.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            found |= flat(value, f"{path}.")
        elif isinstance(value, list):
            found[path] = [as_text(one) if not isinstance(one, dict) else one for one in value]
        else:
            found[path] = None if value is None else as_text(value)
    return found


def index_settings(given: Json) -> Object:
    """What a request says, flat and without `index.`. Raises illegal_argument for a setting there is not."""
    found: Object = {}
    for name, value in flat(given or {}).items():
        plain = name.removeprefix("index.")
        if plain not in _SINGLES and not plain.startswith(_GROUPS):
            raise illegal(
                f"unknown setting [index.{plain}] please check that any required plugins are installed, or "
                "check the breaking changes "
                "documentation for removed settings"
            )
        found[plain] = value
    _check(found)
    return found


def nested(settings: Object) -> Object:
    """Dotted names as nested objects."""
    root: Object = {}
    for name in sorted(settings):
        level = root
        parts = name.split(".")
        for part in parts[:-1]:
            inner = level.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            level = inner
        level[parts[-1]] = settings[name]
    return root


def _check(settings: Object) -> None:
    for name, least in (("number_of_shards", 1), ("number_of_replicas", 0)):
        value = settings.get(name)
        if value is None:
            continue
        try:
            number = int(value)
        except ValueError as error:
            raise illegal(
                f"Failed to parse value [{value}] for setting [index.{name}]",
                caused_by={"type": "number_format_exception", "reason": f'For input string: "{value}"'},
            ) from error
        if number < least:
            raise illegal(f"Failed to parse value [{value}] for setting [index.{name}] must be >= {least}")
        if name == "number_of_shards" and number > 1024:
            raise illegal(f"Failed to parse value [{value}] for setting [index.{name}] must be <= 1024")
    interval = settings.get("refresh_interval")
    if interval is not None:
        try:
            duration_s(interval, "index.refresh_interval")
        except ValueError as error:
            raise illegal(str(error)) from error
    durability = settings.get("translog.durability")
    if durability is not None and str(durability).lower() not in ("request", "async"):
        raise illegal(
            f"No enum constant org.elasticsearch.index.translog.Translog.Durability.{str(durability).upper()}"
        )


def check_update(change: Object, index: str, *, is_open: bool) -> None:
    """Raises illegal_argument for what cannot be changed (while the index is open)."""
    if not is_open:
        change = {name: value for name, value in change.items() if name == "number_of_shards"}
    fixed = [name for name in change if name in STATIC or name.startswith("analysis.")]
    if "number_of_shards" in change:
        raise illegal(
            f"final {index} setting [index.number_of_shards], not updateable"
            if not is_open
            else f"Can't update non dynamic settings [[index.number_of_shards]] for open indices [[{index}]]"
        )
    if fixed:
        shown = ", ".join(f"index.{name}" for name in sorted(fixed))
        raise illegal(f"Can't update non dynamic settings [[{shown}]] for open indices [[{index}]]")


def analysis_of(settings: Object) -> Object:
    """The `analysis` part as nested objects."""
    part = {name.removeprefix("analysis."): value for name, value in settings.items() if name.startswith("analysis.")}
    return nested(part)
