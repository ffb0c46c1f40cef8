"""The rules of structural schemas: what a CustomResourceDefinition's schema may and must say.

Source: Kubernetes docs, "Extend the Kubernetes API with CustomResourceDefinitions", structural schema;
apiextensions-apiserver pkg/apis/apiextensions/validation and pkg/apiserver/schema/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import re2

from maru.core.document import Value
from maru.kinds.rules.text import forbidden, invalid, required, unsupported
from maru.kinds.strategy import Cause

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_ABSENT: Mapping[str, str] = {
    "$ref": "$ref is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "patternProperties": "patternProperties is not supported",
    "additionalItems": "additionalItems is not supported",
    "id": "id is not supported",
}
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_STRUCTURAL_ONLY = (
    "type",
    "additionalProperties",
    "default",
    "description",
    "title",
    "nullable",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
)
_LIST_TYPES = ("atomic", "set", "map")
_MAP_TYPES = ("atomic", "granular")
_OWN_META = frozenset({"name", "generateName"})
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]


def check_structure(schema: Value, path: str) -> Sequence[Cause]:
    """The broken rules of a version's openAPIV3Schema."""
    causes: list[Cause] = []
    if schema.get("additionalProperties") is not None:
        causes.append(forbidden(f"{path}.additionalProperties", "must not be used at the root"))
    if schema.get("nullable"):
        causes.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    _check_own_fields(schema, path, causes)
    _walk(schema, path, causes, "at the root")
    return causes


def _check_own_fields(schema: Value, path: str, causes: list[Cause]) -> None:
    properties = schema.get("properties") or {}
    metadata = properties.get("metadata")
    causes += [
        invalid(f"{path}.properties[{name}].type", properties[name].get("type") or "", "must be string")
        for name in ("apiVersion", "kind")
        if name in properties and properties[name].get("type") != "string"
    ]
    if metadata is None:
        return
    place = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        causes.append(invalid(f"{place}.type", metadata.get("type") or "", "must be object"))
    extra = set(metadata) - {"type", "description", "properties"}
    if extra or set(metadata.get("properties") or {}) - _OWN_META:
        words = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        causes.append(forbidden(place, words))


def _walk(schema: Value, path: str, causes: list[Cause], where: str) -> None:
    _check_words(schema, path, causes)
    _check_type(schema, path, causes, where)
    _check_extensions(schema, path, causes)
    _check_list_type(schema, path, causes)
    for name in _JUNCTORS:
        if name == "anyOf" and schema.get("x-kubernetes-int-or-string") and schema.get(name) == _INT_OR_STRING:
            continue
        for index, one in enumerate(schema.get(name) or ()):
            _check_junctor(one, schema, f"{path}.{name}[{index}]", causes)
    if isinstance(schema.get("not"), dict):
        _check_junctor(schema["not"], schema, f"{path}.not", causes)
    for name, one in (schema.get("properties") or {}).items():
        if where == "at the root" and name == "metadata":
            continue
        _walk(one, f"{path}.properties[{name}]", causes, "for specified object fields")
    if isinstance(schema.get("items"), dict):
        _walk(schema["items"], f"{path}.items", causes, "for specified array items")
    elif isinstance(schema.get("items"), list):
        causes.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if isinstance(schema.get("additionalProperties"), dict):
        _walk(schema["additionalProperties"], f"{path}.additionalProperties", causes, "for specified object fields")


def _check_words(schema: Value, path: str, causes: list[Cause]) -> None:
    causes += [forbidden(f"{path}.{name}", why) for name, why in _ABSENT.items() if schema.get(name) is not None]
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(forbidden(f"{path}.uniqueItems", why))
    extra = schema.get("additionalProperties")
    if extra is False:
        causes.append(forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false"))
    if extra is not None and schema.get("properties"):
        why = "additionalProperties and properties are mutual exclusive"
        causes.append(forbidden(f"{path}.additionalProperties", why))
    pattern = schema.get("pattern")
    if pattern:
        options = re2.Options()
        options.log_errors = False
        try:
            re2.compile(pattern, options)
        except re2.error as error:
            why = f"must be a valid regular expression, but isn't: error parsing regexp: {error}"
            causes.append(invalid(f"{path}.pattern", pattern, why))


def _check_type(schema: Value, path: str, causes: list[Cause], where: str) -> None:
    kind = schema.get("type") or ""
    if kind == "null":
        causes.append(forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
    elif kind and kind not in TYPES:
        causes.append(unsupported(f"{path}.type", kind, TYPES))
    elif not kind and where != "at the root":
        is_free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
        if not is_free:
            causes.append(required(f"{path}.type", f"must not be empty {where}"))
    if kind == "array" and schema.get("items") is None:
        causes.append(required(f"{path}.items", "must be specified"))


def _check_extensions(schema: Value, path: str, causes: list[Cause]) -> None:
    kind = schema.get("type") or ""
    keeps = schema.get("x-kubernetes-preserve-unknown-fields")
    if keeps is False:
        causes.append(invalid(f"{path}.x-kubernetes-preserve-unknown-fields", keeps, "must be true or undefined"))
    if keeps and kind not in ("object", ""):
        why = "must be object if x-kubernetes-preserve-unknown-fields is true"
        causes.append(invalid(f"{path}.type", kind, why))
    if schema.get("x-kubernetes-int-or-string") and kind:
        causes.append(invalid(f"{path}.type", kind, "must be empty if x-kubernetes-int-or-string is true"))
    if schema.get("x-kubernetes-embedded-resource"):
        if kind != "object":
            causes.append(invalid(f"{path}.type", kind, "must be object if x-kubernetes-embedded-resource is true"))
        if not keeps and not schema.get("properties"):
            why = (
                "must not be empty if x-kubernetes-embedded-resource is true without "
                "x-kubernetes-preserve-unknown-fields"
            )
            causes.append(required(f"{path}.properties", why))
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is not None:
        if kind != "object":
            causes.append(invalid(f"{path}.type", kind, "must be object if x-kubernetes-map-type is specified"))
        if map_type not in _MAP_TYPES:
            causes.append(unsupported(f"{path}.x-kubernetes-map-type", map_type, _MAP_TYPES))


def _check_list_type(schema: Value, path: str, causes: list[Cause]) -> None:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    at_keys = f"{path}.x-kubernetes-list-map-keys"
    if kind is not None and schema.get("type") != "array":
        why = "must be array if x-kubernetes-list-type is specified"
        causes.append(invalid(f"{path}.type", schema.get("type") or "", why))
    if kind is not None and kind not in _LIST_TYPES:
        causes.append(unsupported(f"{path}.x-kubernetes-list-type", kind, _LIST_TYPES))
    if keys and kind != "map":
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        causes.append(invalid(f"{path}.x-kubernetes-list-type", kind or "", why))
    given = schema.get("items")
    items: Value = given if isinstance(given, dict) else {}
    if kind == "map":
        if not keys:
            causes.append(required(at_keys, "must not be empty if x-kubernetes-list-type is map"))
        if items.get("type") != "object":
            why = "must be object if parent array's x-kubernetes-list-type is map"
            causes.append(invalid(f"{path}.items.type", items.get("type") or "", why))
        for index, key in enumerate(keys):
            _check_key(items, key, f"{at_keys}[{index}]", f"{path}.items", causes)
    if kind == "set":
        _check_set_items(items, f"{path}.items", causes)


def _check_set_items(items: Value, path: str, causes: list[Cause]) -> None:
    if items.get("nullable"):
        causes.append(forbidden(f"{path}.nullable", "cannot be nullable when x-kubernetes-list-type is set"))
    if items.get("type") == "array" and items.get("x-kubernetes-list-type", "atomic") != "atomic":
        why = "must be atomic as item of a list with x-kubernetes-list-type=set"
        causes.append(invalid(f"{path}.x-kubernetes-list-type", items["x-kubernetes-list-type"], why))
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        why = "must be atomic as item of a list with x-kubernetes-list-type=set"
        causes.append(invalid(f"{path}.x-kubernetes-map-type", items.get("x-kubernetes-map-type"), why))


def _check_key(items: Value, key: str, at_key: str, path: str, causes: list[Cause]) -> None:
    one = (items.get("properties") or {}).get(key)
    if one is None:
        causes.append(invalid(at_key, key, "entries must all be names of item properties"))
        return
    place = f"{path}.properties[{key}]"
    if one.get("type") in ("array", "object"):
        why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        causes.append(invalid(f"{place}.type", one["type"], why))
    if one.get("nullable"):
        why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
        causes.append(forbidden(f"{place}.nullable", why))
    if key not in (items.get("required") or ()) and one.get("default") is None:
        why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        causes.append(required(f"{place}.default", why))


def _check_junctor(part: Value, whole: Value, path: str, causes: list[Cause]) -> None:
    """What stands in allOf, anyOf, oneOf and not: only values, no structure."""
    causes += [
        forbidden(f"{path}.{name}", "must be empty to be structural")
        for name in _STRUCTURAL_ONLY
        if part.get(name) not in (None, "", False, [], {})
    ]
    outside = whole.get("properties") or {}
    for name, one in (part.get("properties") or {}).items():
        if name not in outside:
            place = path.rpartition(".")[0]
            why = f"because it is defined in {path}.properties[{name}]"
            causes.append(required(f"{place}.properties[{name}]", why))
        else:
            _check_junctor(one, outside[name], f"{path}.properties[{name}]", causes)
    items = whole.get("items")
    if isinstance(part.get("items"), dict):
        _check_junctor(part["items"], items if isinstance(items, dict) else {}, f"{path}.items", causes)
    for name in _JUNCTORS:
        if name == "anyOf" and whole.get("x-kubernetes-int-or-string") and part.get(name) == _INT_OR_STRING:
            continue
        for index, one in enumerate(part.get(name) or ()):
            _check_junctor(one, whole, f"{path}.{name}[{index}]", causes)
    if isinstance(part.get("not"), dict):
        _check_junctor(part["not"], whole, f"{path}.not", causes)
