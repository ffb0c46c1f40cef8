"""OpenAPI v3 (an index and one document per group version) and v2, from schema and resources.

kubectl explain, kubectl create and apply --validate and kubectl diff read these: they look for the
operations' x-kubernetes-group-version-kind, their query parameters (dryRun, fieldValidation) and
the component with the kind's own mark.
Source: Kubernetes docs, "The Kubernetes API", OpenAPI; OpenAPI specification 3.0 and 2.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maru.wire.k8s.openapi_paths import paths_of
from maru.wire.k8s.schema import META, ResourceInfo, Schema, TypeNode, Value

VERSION = "v1.36.0"
V3_PREFIX = "#/components/schemas/"
V2_PREFIX = "#/definitions/"

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_NAMED = {
    "quantity": _QUANTITY,
    "int_or_string": _INT_OR_STRING,
    "time": META + "Time",
    "micro_time": META + "MicroTime",
}
_ALWAYS = ("DeleteOptions", "Status")  # of meta/v1: what operations take and answer
_PATCH = META + "Patch"


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """A custom resource's version: its resource and openAPIV3Schema ({} if it has none)."""

    resource: ResourceInfo
    schema: Mapping[str, Any] = field(default_factory=dict)


def v3_paths(resources: Sequence[ResourceInfo]) -> Sequence[str]:
    """The documents there are: api/v1, apis/apps/v1, ..., ascending."""
    return sorted({_document_path(one.group, one.version) for one in resources})


def v3_index(resources: Sequence[ResourceInfo], hashes: Mapping[str, str]) -> Value:
    """/openapi/v3. hashes: by path as `v3_paths` names them; they make clients cache forever."""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}" + (f"?hash={hashes[path]}" if path in hashes else "")}
            for path in v3_paths(resources)
        }
    }


def v3_document(
    schema: Schema, resources: Sequence[ResourceInfo], path: str, custom: Sequence[CustomSchema] = ()
) -> Value | None:
    """The document of one group version (api/v1, apis/apps/v1), or None. Slow (tens of ms): keep the bytes."""
    mine = [one for one in resources if _document_path(one.group, one.version) == path]
    if not mine:
        return None
    writer = _Writer(schema, V3_PREFIX)
    names = _kind_names(schema, mine, custom)
    components = writer.definitions(_roots(schema, mine))
    components |= writer.custom_definitions([one for one in custom if one.resource in mine])
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths_of(mine, names, version=3, custom=_kinds(custom)),
        "components": {"schemas": dict(sorted(components.items()))},
    }


def v2_document(schema: Schema, resources: Sequence[ResourceInfo], custom: Sequence[CustomSchema] = ()) -> Value:
    """/openapi/v2 (swagger.json). Slow (hundreds of ms): keep the bytes."""
    writer = _Writer(schema, V2_PREFIX)
    definitions = writer.definitions(_roots(schema, resources))
    definitions |= writer.custom_definitions(custom)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths_of(resources, _kind_names(schema, resources, custom), version=2, custom=_kinds(custom)),
        "definitions": dict(sorted(definitions.items())),
    }


def _kinds(custom: Sequence[CustomSchema]) -> frozenset[tuple[str, str, str]]:
    return frozenset((one.resource.group, one.resource.version, one.resource.kind) for one in custom)


def custom_name(group: str, version: str, kind: str) -> str:
    """The component name of a custom resource: com.example.stable.v1.CronTab."""
    return ".".join([*reversed(group.split(".")), version, kind])


def _document_path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _kind_names(
    schema: Schema, resources: Iterable[ResourceInfo], custom: Iterable[CustomSchema]
) -> Mapping[tuple[str, str, str], str]:
    """(group, version, kind) -> component name, for every kind the operations name."""
    names: dict[tuple[str, str, str], str] = {}
    for one in resources:
        for kind in (
            (one.group, one.version, one.kind),
            *((sub.group, sub.version, sub.kind) for sub in one.subresources),
        ):
            node = schema.type_of(*kind)
            if node is not None:
                names[kind] = node.name
        listed = schema.type_of(one.group, one.version, one.kind + "List")
        if listed is not None:
            names[one.group, one.version, one.kind + "List"] = listed.name
    for given in custom:
        one = given.resource
        for kind_name in (one.kind, one.kind + "List"):
            names[one.group, one.version, kind_name] = custom_name(one.group, one.version, kind_name)
    return names


def _roots(schema: Schema, resources: Iterable[ResourceInfo]) -> list[TypeNode]:
    kinds: dict[tuple[str, str, str], None] = {}
    for one in resources:
        kinds[one.group, one.version, one.kind] = None
        kinds[one.group, one.version, one.kind + "List"] = None
        for sub in one.subresources:
            kinds[sub.group, sub.version, sub.kind] = None
    found = [node for node in (schema.type_of(*kind) for kind in kinds) if node is not None]
    found += [schema.type_named(META + name) for name in (*_ALWAYS, "ObjectMeta", "ListMeta", "Patch")]
    return found


class _Writer:
    """Definitions as JSON, references below `prefix`."""

    def __init__(self, schema: Schema, prefix: str) -> None:
        self._schema = schema
        self._prefix = prefix
        self._texts = schema.texts()

    @property
    def _is_v3(self) -> bool:
        return self._prefix == V3_PREFIX

    def definitions(self, roots: Iterable[TypeNode]) -> dict[str, Value]:
        """Every definition the roots reach."""
        found: dict[str, Value] = {}
        waiting = [node.name for node in roots] + list(_NAMED.values())
        while waiting:
            name = waiting.pop()
            if name not in found:
                node = self._schema.type_named(name)
                found[name] = self._definition(name, node)
                waiting += _references(node)
        return found

    def _definition(self, name: str, node: TypeNode) -> Value:
        text, fields = self._texts.get(name, ("", {}))
        shown: Value = {"description": text} if text else {}
        shown |= self._plain(node)
        if node.kind == "object":
            properties = {}
            for key, child in node.fields.items():
                properties[key] = self._field(child, fields.get(key, ""), is_required=key in node.required)
            if properties:
                shown["properties"] = properties
            if node.required:
                shown["required"] = sorted(node.required)
        kinds = self._schema.kinds_of(name)
        if kinds:
            shown["x-kubernetes-group-version-kind"] = [
                {"group": group, "version": version, "kind": kind} for group, version, kind in kinds
            ]
        return shown

    def _plain(self, node: TypeNode) -> Value:
        """The shape of a definition itself."""
        kind = node.kind
        if kind == "quantity":
            return {"oneOf": [{"type": "string"}, {"type": "number"}]} if self._is_v3 else {"type": "string"}
        if kind == "int_or_string":
            if self._is_v3:
                return {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
            return {"type": "string", "format": "int-or-string"}
        if kind in ("time", "micro_time"):
            return {"type": "string", "format": "date-time"}
        if kind == "object":
            return {"type": "object"}
        return self._shape(node)

    def _field(self, node: TypeNode, text: str, *, is_required: bool) -> Value:
        shown: Value = {"description": text} if text else {}
        shape = self._shape(node)
        if "$ref" in shape and self._is_v3:
            shape = {"allOf": [shape]}
            if node.kind == "object" and is_required:
                shape["default"] = {}
        shown |= shape
        if node.kind == "list" and node.list_type:
            shown["x-kubernetes-list-type"] = node.list_type
            if node.map_keys:
                shown["x-kubernetes-list-map-keys"] = list(node.map_keys)
        if node.atomic and node.kind in ("object", "map"):
            shown["x-kubernetes-map-type"] = "atomic"
        if node.patch_strategy:
            shown["x-kubernetes-patch-strategy"] = ",".join(node.patch_strategy)
        if node.merge_key:
            shown["x-kubernetes-patch-merge-key"] = node.merge_key
        return shown

    def _shape(self, node: TypeNode) -> Value:
        kind = node.kind
        named = _NAMED.get(kind, node.name if kind == "object" else "")
        if named:
            return {"$ref": self._prefix + named}
        if kind in ("list", "map"):
            inner = self._shape(node.items) if node.items is not None else {}
            if kind == "list":
                return {"type": "array", "items": inner}
            return {"type": "object", "additionalProperties": inner}
        if kind == "bytes":
            return {"type": "string", "format": "byte"}
        if kind in ("any", "object"):
            return {"type": "object"}
        return {"type": kind, "format": node.format} if node.format else {"type": kind}

    def custom_definitions(self, custom: Iterable[CustomSchema]) -> dict[str, Value]:
        """The definitions of custom resources and their lists."""
        found: dict[str, Value] = {}
        for one in custom:
            kind = (one.resource.group, one.resource.version, one.resource.kind)
            name = custom_name(*kind)
            found[name] = self._custom(one)
            found[name + "List"] = self._custom_list(one.resource, name)
        return found

    def _custom(self, one: CustomSchema) -> Value:
        schema = dict(one.schema) if self._is_v3 else _for_v2(one.schema)
        schema.setdefault("type", "object")
        metadata = {"$ref": f"{self._prefix}{META}ObjectMeta"}
        properties = dict(schema.get("properties") or {})
        properties["apiVersion"] = self._own_text("apiVersion")
        properties["kind"] = self._own_text("kind")
        properties["metadata"] = {"allOf": [metadata]} if self._is_v3 else metadata
        schema["properties"] = properties
        schema["x-kubernetes-group-version-kind"] = [_kind(one.resource)]
        return schema

    def _own_text(self, key: str) -> Value:
        text = self._texts[META + "Status"][1].get(key, "")
        return {"type": "string", "description": text}

    def _custom_list(self, resource: ResourceInfo, name: str) -> Value:
        metadata = {"$ref": f"{self._prefix}{META}ListMeta"}
        return {
            "description": f"{resource.kind}List is a list of {resource.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": self._own_text("apiVersion"),
                "kind": self._own_text("kind"),
                "metadata": {"allOf": [metadata]} if self._is_v3 else metadata,
                "items": {
                    "description": f"List of {resource.plural}.",
                    "type": "array",
                    "items": {"$ref": self._prefix + name},
                },
            },
            "x-kubernetes-group-version-kind": [{**_kind(resource), "kind": f"{resource.kind}List"}],
        }


def _kind(resource: ResourceInfo) -> Value:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _references(node: TypeNode) -> list[str]:
    found: list[str] = []
    waiting = [*node.fields.values(), *([node.items] if node.items is not None else [])]
    while waiting:
        child = waiting.pop()
        if child.kind == "object" and child.name:
            found.append(child.name)
        elif child.items is not None:
            waiting.append(child.items)
    return found


_V2_DROPS = frozenset({"allOf", "anyOf", "oneOf", "not", "nullable", "default", "x-kubernetes-validations"})


def _for_v2(schema: Mapping[str, Any]) -> Value:
    """A structural schema in the subset that OpenAPI v2 has; what it cannot say is left open."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-int-or-string"):
        kept = ("description", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string")
        return {key: schema[key] for key in kept if key in schema}
    shown: Value = {key: value for key, value in schema.items() if key not in _V2_DROPS}
    if schema.get("nullable"):
        shown.pop("type", None)
    if isinstance(schema.get("properties"), dict):
        shown["properties"] = {key: _for_v2(one) for key, one in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            shown[key] = _for_v2(schema[key])
    return shown
