"""A custom resource against its openAPIV3Schema: what pruning and defaulting leave to be wrong.

Types, required fields, enums, bounds, patterns and lengths; the rules of x-kubernetes-validations are
checked beside this. Source: Kubernetes docs, "Extend the Kubernetes API with CustomResourceDefinitions",
validation and ratcheting; k8s.io/kube-openapi/pkg/validation/validate (the messages).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import re2

from maru.components.apiserver.custom.correlation import ABSENT, is_same, item_before
from maru.core.document import Value
from maru.kinds.rules.text import duplicate, invalid, too_long, too_many, unsupported
from maru.kinds.strategy import Cause

CAUSES_MAX = 100
_OWN = frozenset({"apiVersion", "kind", "metadata"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def validate(schema: Value, value: Value, old: Value | None) -> Sequence[Cause]:
    """The broken rules of `value`; at most CAUSES_MAX. old: what stood before, None on a create.

    What did not change is not looked at: it may be wrong as long as it stays.
    """
    causes: list[Cause] = []
    if schema:
        _walk(schema, value, Place("", ABSENT if old is None else old, is_root=True), causes)
    return causes[:CAUSES_MAX]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands. field: its path. old: what stood there before, or ABSENT."""

    field: str
    old: object = ABSENT
    is_root: bool = False

    def below(self, name: str) -> Place:
        """A named field or entry."""
        old = self.old.get(name, ABSENT) if isinstance(self.old, dict) else ABSENT
        return Place(_join(self.field, name), old)


def _walk(schema: Value, value: object, place: Place, causes: list[Cause]) -> None:
    if len(causes) >= CAUSES_MAX or (place.old is not ABSENT and is_same(value, place.old)):
        return
    field = place.field
    if value is None:
        if not schema.get("nullable"):
            causes.append(_wrong_type(field, value, schema.get("type") or "object"))
        return
    if not _has_type(schema, value):
        causes.append(_wrong_type(field, value, schema.get("type") or "integer"))
        return
    enum = schema.get("enum")
    if enum and value not in enum:
        causes.append(unsupported(field, value, enum))
    if isinstance(value, dict):
        _check_object(schema, value, place, causes)
    elif isinstance(value, list):
        _check_list(schema, value, place, causes)
    elif isinstance(value, str):
        _check_text(schema, value, field, causes)
    elif not isinstance(value, bool):
        _check_number(schema, value, field, causes)
    _check_combinations(schema, value, place, causes)


def _check_object(schema: Value, value: Value, place: Place, causes: list[Cause]) -> None:
    field = place.field
    properties = schema.get("properties") or {}
    missing = [name for name in schema.get("required") or () if name not in value]
    causes += [Cause(_join(field, name), "FieldValueRequired", "Required value") for name in missing]
    extra = schema.get("additionalProperties")
    for name, one in value.items():
        if place.is_root and name in _OWN:
            continue
        if name in properties:
            _walk(properties[name], one, place.below(name), causes)
        elif isinstance(extra, dict):
            _walk(extra, one, place.below(name), causes)
    _check_size(schema, len(value), field, causes, ("minProperties", "maxProperties", "properties"))


def _check_list(schema: Value, value: list[object], place: Place, causes: list[Cause]) -> None:
    field, items = place.field, schema.get("items")
    map_keys = schema.get("x-kubernetes-list-map-keys") or ()
    if isinstance(items, dict):
        for index, one in enumerate(value):
            _walk(items, one, Place(f"{field}[{index}]", item_before(one, place.old, map_keys)), causes)
    _check_size(schema, len(value), field, causes, ("minItems", "maxItems", "items"))
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    seen: list[object] = []
    for index, one in enumerate(value if kind in ("set", "map") else ()):
        mark: object = [one.get(key) for key in keys] if kind == "map" and isinstance(one, dict) else one
        if mark in seen:
            shown = {key: one.get(key) for key in keys} if isinstance(one, dict) and kind == "map" else one
            causes.append(duplicate(f"{field}[{index}]", shown))
        seen.append(mark)


def _check_text(schema: Value, value: str, field: str, causes: list[Cause]) -> None:
    name = field or "<root>"
    least, most = schema.get("minLength"), schema.get("maxLength")
    if least is not None and len(value) < least:
        causes.append(invalid(field, value, f"{name} in body should be at least {least} chars long"))
    if most is not None and len(value) > most:
        causes.append(too_long(field, most))
    pattern = schema.get("pattern")
    if pattern and not _searcher(pattern)(value):
        causes.append(invalid(field, value, f"{name} in body should match '{pattern}'"))


def _check_number(schema: Value, value: object, field: str, causes: list[Cause]) -> None:
    assert isinstance(value, (int, float))
    name = field or "<root>"
    least, most, multiple = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        causes.append(invalid(field, value, f"{name} in body should be {word} {least}"))
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        causes.append(invalid(field, value, f"{name} in body should be {word} {most}"))
    if multiple and value % multiple:
        causes.append(invalid(field, value, f"{name} in body should be a multiple of {multiple}"))


def _check_combinations(schema: Value, value: object, place: Place, causes: list[Cause]) -> None:
    for part in schema.get("allOf") or ():
        _walk(part, value, place, causes)
    field = place.field
    name = field or "<root>"
    if schema.get("anyOf") and not any(_passes(part, value) for part in schema["anyOf"]):
        causes.append(invalid(field, value, f"{name} in body must validate at least one schema (anyOf)"))
    if schema.get("oneOf") and sum(_passes(part, value) for part in schema["oneOf"]) != 1:
        causes.append(invalid(field, value, f"{name} in body must validate one and only one schema (oneOf)"))
    if schema.get("not") and _passes(schema["not"], value):
        causes.append(invalid(field, value, f"{name} in body must not validate the schema (not)"))


def _passes(schema: Value, value: object) -> bool:
    causes: list[Cause] = []
    _walk(schema, value, Place(""), causes)
    return not causes


def _check_size(schema: Value, size: int, field: str, causes: list[Cause], names: tuple[str, str, str]) -> None:
    least, most = schema.get(names[0]), schema.get(names[1])
    if least is not None and size < least:
        causes.append(invalid(field, size, f"{field} in body should have at least {least} {names[2]}"))
    if most is not None and size > most:
        causes.append(too_many(field, size, most))


def _has_type(schema: Value, value: object) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    wanted = schema.get("type")
    if not wanted:
        return True
    if isinstance(value, bool):
        return bool(wanted == "boolean")
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(wanted, (object,)))


def _wrong_type(field: str, value: object, wanted: str) -> Cause:
    shown = {dict: "object", list: "array", str: "string", int: "integer", float: "number", bool: "boolean"}
    got = shown.get(type(value), "null")
    text = f'Invalid value: "{got}": {field} in body must be of type {wanted}: "{got}"'
    return Cause(field, "FieldValueTypeInvalid", text)


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


@lru_cache(maxsize=1024)
def _searcher(pattern: str) -> Callable[[str], object]:
    """What looks for a pattern, in linear time. A definition with a bad one is refused."""
    search: Callable[[str], object] = re2.compile(pattern).search
    return search
