"""A structural schema as CEL sees it: the static type, and how a JSON value becomes one of that type.

Formats turn strings into times and bytes, numbers into doubles, lists of type set and map into lists
whose order does not count. Source: k8s.io/apiserver/pkg/cel/common (SchemaDeclType, UnstructuredToVal).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping

from maru.core.document import Value
from maru.wire.cel.compiler import property_name
from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.library.times import parse_duration, parse_timestamp
from maru.wire.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    map_of,
    object_of,
)
from maru.wire.cel.values import MapList, SetList

Convert = Callable[[object], object]
_META: Mapping[str, Type] = {"name": STRING, "generateName": STRING}
_TEXT_FORMATS: Mapping[str, Type] = {"byte": BYTES, "duration": DURATION, "date": TIMESTAMP, "date-time": TIMESTAMP}
_SIMPLE: Mapping[str, Type] = {"boolean": BOOL, "number": DOUBLE, "integer": INT}


def type_of(schema: Value, *, is_resource: bool = False) -> Type | None:
    """The type of what a schema describes; None for what rules cannot reach."""
    if schema.get("x-kubernetes-int-or-string"):
        return DYN
    kind = schema.get("type") or ("object" if is_resource or schema.get("x-kubernetes-embedded-resource") else "")
    if kind == "array":
        items = schema.get("items")
        inner = type_of(items) if isinstance(items, dict) else None
        return None if inner is None else list_of(inner, int(schema.get("maxItems") or 0))
    if kind == "object":
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            inner = type_of(extra)
            return None if inner is None else map_of(STRING, inner, int(schema.get("maxProperties") or 0))
        return _object(schema, is_resource=is_resource or bool(schema.get("x-kubernetes-embedded-resource")))
    if kind == "string":
        found = _TEXT_FORMATS.get(schema.get("format") or "", STRING)
        return Type(found.kind, size_max=int(schema.get("maxLength") or 0))
    return _SIMPLE.get(kind)


def _object(schema: Value, *, is_resource: bool) -> Type:
    properties = schema.get("properties") or {}
    known: dict[str, Type | None] = {}
    if is_resource:
        known.update({"apiVersion": STRING, "kind": STRING, "metadata": object_of("object", _META.get)})

    def shape(name: str) -> Type | None:
        if name not in known:
            own = property_name(name)
            known[name] = type_of(properties[own]) if own in properties else None
        return known[name]

    return object_of("object", shape)


def converter_of(schema: Value) -> Convert | None:
    """What makes a CEL value of a JSON value; None where they are the same."""
    kind = schema.get("type")
    if kind == "number":
        return _double
    if kind == "string":
        return _FORMATS.get(schema.get("format") or "")
    if kind == "array" and isinstance(schema.get("items"), dict):
        return _list(schema, converter_of(schema["items"]))
    if kind == "object":
        return _fields(schema)
    return None


def _fields(schema: Value) -> Convert | None:
    fields = {name: converter_of(one) for name, one in (schema.get("properties") or {}).items()}
    needed = {name: one for name, one in fields.items() if one is not None}
    extra = schema.get("additionalProperties")
    every = converter_of(extra) if isinstance(extra, dict) else None
    if not needed and every is None:
        return None

    def convert(value: object) -> object:
        if not isinstance(value, dict):
            return value
        found = dict(value)
        for name, one in found.items():
            change = needed.get(name, every)
            if change is not None:
                found[name] = change(one)
        return found

    return convert


def _list(schema: Value, item: Convert | None) -> Convert | None:
    kind = schema.get("x-kubernetes-list-type")
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if item is None and kind not in ("set", "map"):
        return None

    def convert(value: object) -> object:
        if not isinstance(value, list):
            return value
        items = value if item is None else [item(one) for one in value]
        if kind == "set":
            return SetList(items)
        return MapList(items, keys) if kind == "map" else items

    return convert


def _double(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _bytes(value: object) -> object:
    try:
        return base64.b64decode(value) if isinstance(value, str) else value
    except binascii.Error:
        raise EvaluationError("illegal base64 data") from None


def _stamp(value: object) -> object:
    return parse_timestamp(value) if isinstance(value, str) else value


def _day(value: object) -> object:
    return parse_timestamp(f"{value}T00:00:00Z") if isinstance(value, str) else value


def _span(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


_FORMATS: Mapping[str, Convert] = {"byte": _bytes, "duration": _span, "date": _day, "date-time": _stamp}
