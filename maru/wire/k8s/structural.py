"""TypeNodes from a CustomResourceDefinition's structural schema.

The same TypeNode as for built-in kinds, so that pruning, strict decoding, defaulting and
server-side apply serve custom resources too.
Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions", structural schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maru.wire.k8s.schema import META, Schema, TypeNode

_OBJECT_META = META + "ObjectMeta"
_KINDS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean", "array": "list"}


def from_structural_schema(schema: Mapping[str, Any], builtin: Schema) -> TypeNode:
    """The type of a custom resource's document from its openAPIV3Schema.

    apiVersion, kind and metadata are added as the API server adds them; `builtin` gives ObjectMeta.
    Its `name` is empty: strategic merge patches do not apply. Schemas of any nesting are taken,
    since levels are built when they are first asked for.
    """
    return _with_object_fields(_node(schema, builtin), builtin)


def without_schema(builtin: Schema) -> TypeNode:
    """The type of a custom resource that keeps everything: only metadata is typed."""
    return from_structural_schema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, builtin)


def _with_object_fields(node: TypeNode, builtin: Schema) -> TypeNode:
    fields, items = dict(node.fields), node.items
    fields["apiVersion"] = fields["kind"] = TypeNode("string")
    fields["metadata"] = builtin.type_named(_OBJECT_META)
    node.kind = "object"
    node.put(fields, items)
    return node


def _node(schema: Mapping[str, Any], builtin: Schema) -> TypeNode:
    node = TypeNode(_kind(schema))
    node.nullable = bool(schema.get("nullable"))
    node.preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or node.kind == "any"
    node.embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    node.format = schema.get("format", "")
    node.enum = tuple(schema.get("enum") or ())
    node.required = frozenset(schema.get("required") or ())
    node.has_default = "default" in schema
    node.default = schema.get("default")
    node.atomic = schema.get("x-kubernetes-map-type") == "atomic"
    if node.kind == "list":
        node.list_type = schema.get("x-kubernetes-list-type", "atomic")
        node.map_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    properties = schema.get("properties") or {}
    items = schema.get("items") if node.kind == "list" else schema.get("additionalProperties")

    def resolve(target: TypeNode) -> None:
        target.put(
            {key: _node(one, builtin) for key, one in properties.items()},
            _node(items, builtin) if isinstance(items, dict) else None,
        )
        if target.embedded:
            _with_object_fields(target, builtin)

    if items is True and node.kind in ("object", "map"):
        node.preserve = True
    node.later(resolve)
    return node


def _kind(schema: Mapping[str, Any]) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "int_or_string"
    kind = schema.get("type", "")
    if kind == "object":
        return "map" if isinstance(schema.get("additionalProperties"), dict) else "object"
    if kind == "" and schema.get("x-kubernetes-embedded-resource"):
        return "object"
    return _KINDS.get(kind, "any")
