"""A mapping: what fields an index has, compiled from its definition, and merged with what is added later.

A mapping is immutable; a change makes another. Source: Elasticsearch reference, "Mapping", "Explicit mapping",
"Dynamic mapping"; MapperService.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as ReadOnly
from fnmatch import fnmatchcase

from maru.components.search.errors import failure, illegal, unsupported
from maru.components.search.model.analysis.analyzers import Analyzers
from maru.components.search.model.mapping.columns import Column
from maru.components.search.model.mapping.fields import OBJECTS, TYPES, Field, make_field
from maru.core.errors import MaruError
from maru.wire.elastic.dates import DateError, check_format
from maru.wire.elastic.json import Json, Object

FIELDS_MAX = 1000
DEPTH_MAX = 20
_ROOT_PARAMS = {
    "properties",
    "dynamic",
    "date_detection",
    "numeric_detection",
    "dynamic_date_formats",
    "dynamic_templates",
    "_source",
    "_routing",
    "_meta",
    "_data_stream_timestamp",
    "runtime",
    "_field_names",
    "_size",
    "subobjects",
    "_all",
    "_doc",
    "_type",
    "_ignored",
    "enabled",
}
_FIXED = (
    "type",
    "analyzer",
    "index",
    "store",
    "doc_values",
    "format",
    "dims",
    "scaling_factor",
    "normalizer",
    "norms",
    "path",
)


class Node:
    """An object of the mapping. children: fields and objects by name."""

    __slots__ = ("children", "dynamic", "is_enabled", "nested", "path")

    def __init__(self, path: str, dynamic: str, nested: str, is_enabled: bool) -> None:
        self.path = path
        self.dynamic = dynamic
        self.nested = nested  # the innermost nested object that its values lie in, itself perhaps
        self.is_enabled = is_enabled
        self.children: dict[str, Node | Field] = {}


class Mapping:
    """definition: as the API shows it; never change it. Raises MaruError for one that cannot be."""

    def __init__(self, definition: Object, analyzers: Analyzers, fields_max: int = FIELDS_MAX) -> None:
        self.definition = definition
        self.analyzers = analyzers
        self.fields_max = fields_max
        self.fields: dict[str, Field] = {}
        self.objects: dict[str, Node] = {}
        self.aliases: dict[str, str] = {}
        self.runtime: Object = definition.get("runtime") or {}
        self.root = Node("", _dynamic(definition.get("dynamic", "true")), "", True)
        self.root.is_enabled = definition.get("enabled", True) not in (False, "false")
        self._fill(self.root, definition.get("properties") or {}, 1)
        self.columns: dict[str, Column] = {
            column.name: column for field in self.fields.values() for column in field.columns
        }
        self.has_nested = any(node.nested for node in self.objects.values())
        source = definition.get("_source") or {}
        self.keeps_source = source.get("enabled", True) not in (False, "false")
        self.source_includes: Sequence[str] = source.get("includes") or []
        self.source_excludes: Sequence[str] = source.get("excludes") or []
        self.needs_routing = (definition.get("_routing") or {}).get("required") in (True, "true")

    @property
    def size(self) -> int:
        """Fields, objects and multi-fields, as the limit counts them."""
        return len(self.fields) + len(self.objects) + len(self.aliases)

    def find(self, path: str) -> Field | None:
        """The field at `path`, an alias followed; of a flattened field, its keys too."""
        found = self.fields.get(path)
        if found is None and path in self.aliases:
            found = self.fields.get(self.aliases[path])
        return found

    def flattened(self, path: str) -> tuple[Field, str] | None:
        """(the flattened field, key) that `path` leads into."""
        parts = path.split(".")
        for size in range(len(parts) - 1, 0, -1):
            field = self.fields.get(".".join(parts[:size]))
            if field is not None and field.kind in ("flattened", "flat_object"):
                return field, ".".join(parts[size:])
        return None

    def matching(self, pattern: str) -> Iterator[tuple[str, Field]]:
        """(name, field) of those whose path, or alias, fits a pattern with asterisks; in order of name."""
        if "*" not in pattern:
            field = self.find(pattern)
            if field is not None:
                yield pattern, field
            return
        for path in sorted({*self.fields, *self.aliases}):
            field = self.find(path)
            if fnmatchcase(path, pattern) and field is not None:
                yield path, field

    def merged(self, change: Object) -> Mapping:
        """With what `change` adds. Raises illegal_argument where it contradicts what is there."""
        merged = copy.deepcopy(self.definition)
        for name, value in change.items():
            if name == "properties":
                _merge_properties(merged.setdefault("properties", {}), value, "")
            else:
                merged[name] = value
        after = Mapping(merged, self.analyzers, self.fields_max)
        after.check_limits(self.size)
        return after

    def check_limits(self, before: int = 0) -> None:
        """Raises illegal_argument over the limit of fields."""
        if self.size > self.fields_max and self.size > before:
            added = self.size - before
            raise illegal(
                f"Limit of total fields [{self.fields_max}] has been exceeded while adding new fields [{added}]"
                if before
                else f"Limit of total fields [{self.fields_max}] has been exceeded"
            )

    def _fill(self, node: Node, properties: Object, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise illegal(f"Limit of mapping depth [{DEPTH_MAX}] has been exceeded due to object field [{node.path}]")
        if not isinstance(properties, dict):
            raise mapper_failure(
                f"Expected map for property [properties] on field [{node.path or '_doc'}] but got a {properties!r}"
            )
        for name, params in properties.items():
            if not isinstance(params, dict):
                raise mapper_failure(
                    f"Expected map for property [fields] on field [{name}] but got a class java.lang.String"
                )
            path = f"{node.path}.{name}" if node.path else name
            kind = params.get("type", "object")
            if kind not in TYPES:
                raise mapper_failure(
                    f"The mapper type [{kind}] declared on field [{name}] does not exist. It might have been created "
                    "within a future version or requires a plugin to be installed. Check the documentation."
                )
            if kind in OBJECTS:
                nested = path if kind == "nested" else node.nested
                child = Node(
                    path,
                    _dynamic(params.get("dynamic", node.dynamic)),
                    nested,
                    params.get("enabled", True) not in (False, "false"),
                )
                self.objects[path] = child
                node.children[name] = child
                self._fill(child, params.get("properties") or {}, depth + 1)
            elif kind == "alias":
                if not params.get("path"):
                    raise mapper_failure(f"The [path] property must be specified for field [{name}].")
                self.aliases[path] = str(params["path"])
            else:
                try:
                    field = make_field(path, params, path, node.nested, self.analyzers)
                except ValueError as error:
                    raise mapper_failure(str(error)) from error
                _check_params(field)
                node.children[name] = field
                self._add(field)

    def _add(self, field: Field) -> None:
        self.fields[field.path] = field
        for child in field.multi:
            self._add(child)


def mapper_failure(reason: str) -> MaruError:
    """mapper_parsing_exception, with its cause."""
    cause = {"type": "mapper_parsing_exception", "reason": reason}
    return failure(400, "mapper_parsing_exception", f"Failed to parse mapping: {reason}", caused_by=cause)


def checked_definition(definition: Json) -> Object:
    """A definition with string booleans made plain and unknown root parameters refused. Raises MaruError."""
    if not isinstance(definition, dict):
        raise mapper_failure("Expected a map")
    if set(definition) == {"_doc"} and isinstance(definition["_doc"], dict):
        definition = definition["_doc"]
    unknown = [name for name in definition if name not in _ROOT_PARAMS]
    if unknown:
        shown = ", ".join(f"{name} : {_java(definition[name])}" for name in unknown)
        raise mapper_failure(f"Root mapping definition has unsupported parameters:  [{shown}]")
    if "dynamic" in definition:
        _dynamic(definition["dynamic"])
    checked: Object = definition
    return checked


def _java(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_java(one)}" for name, one in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dynamic(value: Json) -> str:
    text = str(value).lower()
    if text not in ("true", "false", "strict", "runtime", "strict_allow_templates", "false_allow_templates"):
        raise mapper_failure(
            f"Could not convert [dynamic] to boolean: Failed to parse value [{value}] as only [true] or "
            "[false] are allowed."
        )
    return text


_COMMON = {
    "type",
    "fields",
    "copy_to",
    "meta",
    "boost",
    "store",
    "index",
    "doc_values",
    "null_value",
    "properties",
    "similarity",
    "on_script_error",
    "script",
    "time_series_dimension",
    "time_series_metric",
    "synthetic_source_keep",
    "ignore_malformed",
}
_KNOWN: ReadOnly[str, set[str]] = {
    "keyword": {
        "ignore_above",
        "normalizer",
        "norms",
        "index_options",
        "eager_global_ordinals",
        "split_queries_on_whitespace",
    },
    "text": {
        "analyzer",
        "search_analyzer",
        "search_quote_analyzer",
        "fielddata",
        "fielddata_frequency_filter",
        "index_options",
        "index_prefixes",
        "index_phrases",
        "norms",
        "position_increment_gap",
        "term_vector",
        "eager_global_ordinals",
    },
    "date": {"format", "locale"},
    "long": {"coerce"},
    "integer": {"coerce"},
    "short": {"coerce"},
    "byte": {"coerce"},
    "double": {"coerce"},
    "float": {"coerce"},
    "half_float": {"coerce"},
    "scaled_float": {"coerce", "scaling_factor"},
    "boolean": set(),
    "ip": set(),
}


def _check_params(field: Field) -> None:
    known = _KNOWN.get(field.kind)
    if known is None:
        return
    for name in field.params:
        if name not in known and name not in _COMMON:
            raise mapper_failure(
                f"unknown parameter [{name}] on mapper [{field.path.rpartition('.')[2]}] of type [{field.kind}]"
            )
    similarity = field.params.get("similarity", "BM25")
    if similarity not in ("BM25", "default", "boolean"):
        raise mapper_failure(f"Unknown Similarity type [{similarity}] for field [{field.path.rpartition('.')[2]}]")
    for name in ("index_prefixes", "similarity", "script"):
        if name in field.params and not (name == "similarity" and similarity in ("BM25", "default")):
            raise unsupported(f"[{name}] of field [{field.path}]")
    if field.kind in ("date", "date_nanos") and "format" in field.params:
        try:
            check_format(str(field.params["format"]))
        except DateError as error:
            raise mapper_failure(str(error)) from error
    if field.kind == "scaled_float" and "scaling_factor" not in field.params:
        raise mapper_failure("Field [scaling_factor] is required")


def _merge_properties(have: Object, change: Object, prefix: str) -> None:
    for name, params in change.items():
        path = f"{prefix}{name}"
        if "." in name.strip(".") and name not in have:
            head, _, tail = name.partition(".")
            _merge_properties(have, {head: {"properties": {tail: params}}}, prefix)
            continue
        if name not in have:
            have[name] = params
            continue
        _merge_one(have[name], params, path)


def _merge_one(old: Object, new: Object, path: str) -> None:
    old_kind, new_kind = old.get("type", "object"), new.get("type", "object")
    if new_kind == "object" and "type" not in new and old_kind == "nested":
        new_kind = "nested"
    if old_kind != new_kind:
        if {old_kind, new_kind} <= set(OBJECTS):
            raise illegal(f"object mapping [{path}] can't be changed from {_shown(old_kind)} to {_shown(new_kind)}")
        if old_kind in OBJECTS or new_kind in OBJECTS:
            raise illegal(
                f"can't merge a non object mapping [{path}] with an object mapping"
                if new_kind in OBJECTS
                else f"can't merge a non-object mapping [{path}] with an object mapping"
            )
        raise illegal(f"mapper [{path}] cannot be changed from type [{old_kind}] to [{new_kind}]")
    if old_kind in OBJECTS:
        for name, value in new.items():
            if name == "properties":
                _merge_properties(old.setdefault("properties", {}), value, f"{path}.")
            else:
                old[name] = value
        return
    for name in _FIXED:
        if name in new and old.get(name) != new[name] and not (name not in old and _is_default(name, new[name])):
            before = old.get(name, _DEFAULTS.get(name))
            raise illegal(
                f"Mapper for [{path}] conflicts with existing mapper:\n\tCannot update parameter [{name}] "
                f"from [{_java(before)}] to [{_java(new[name])}]"
            )
    for name, value in new.items():
        if name == "fields":
            _merge_properties(old.setdefault("fields", {}), value, f"{path}.")
        else:
            old[name] = value


_DEFAULTS: ReadOnly[str, Json] = {
    "index": True,
    "store": False,
    "doc_values": True,
    "norms": True,
    "analyzer": "default",
}


def _is_default(name: str, value: Json) -> bool:
    return bool(_DEFAULTS.get(name) == value or (isinstance(value, str) and value == str(_DEFAULTS.get(name)).lower()))


def _shown(kind: str) -> str:
    return "nested" if kind == "nested" else "non-nested"
