"""Custom kinds of Maru's own components: a CustomResourceDefinition from a typed view.

The schema is derived from the msgspec struct that the component reads the document by, so that the
API server refuses what the component could not read, and `kubectl explain` shows what there is.
Where a struct, or the whole spec, holds objects of a foreign protocol that grow by themselves, the schema
keeps what it does not name.
Source: apiextensions.k8s.io/v1, "Specifying a structural schema".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from maru.core.document import Resource, Value

OPEN: Mapping[str, object] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
AGE = ("Age", ".metadata.creationTimestamp")

Column = tuple[str, str] | tuple[str, str, int]
"""A printer column: its name, the JSON path of its value, and its priority (over 0: with `-o wide` alone)."""


def definition(
    resource: Resource,
    spec: type[msgspec.Struct] | None,
    columns: Sequence[Column],
    status: type[msgspec.Struct] | None = None,
    *,
    is_status_apart: bool = True,
) -> Value:
    """The definition of `resource`, whose spec and status read as the given structs (None: any object).

    is_status_apart: the status is written at its own subresource, else together with the spec.
    """
    properties = {"spec": _schema_of(spec), "status": _schema_of(status)}
    version: Value = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "additionalPrinterColumns": [_column(*column) for column in (*columns, AGE)],
    }
    if is_status_apart:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
            },
            "versions": [version],
        },
    }


def schema(struct: type[msgspec.Struct]) -> Value:
    """The structural schema of a struct: objects, arrays, strings, numbers, booleans; unions as open values.

    A struct must not contain itself.
    """
    (root,), parts = msgspec.json.schema_components([struct], schema_hook=_open)
    structural = _structural(root, parts)
    assert isinstance(structural, dict)
    return structural


def _schema_of(struct: type[msgspec.Struct] | None) -> Value:
    return schema(struct) if struct is not None else dict(OPEN)


def _open(kind: type) -> Value:
    if kind is not object:
        raise NotImplementedError(f"a document cannot hold {kind}")
    return {"type": "any"}


def _structural(node: Value, parts: Value) -> Value:
    if "$ref" in node:
        return _structural(parts[str(node["$ref"]).rsplit("/", 1)[1]], parts)
    if "anyOf" in node:
        kinds = [kind for kind in node["anyOf"] if kind.get("type") != "null"]
        if len(kinds) == 1:
            return _structural(kinds[0], parts) | {"nullable": True}
        return {"x-kubernetes-preserve-unknown-fields": True}
    match node.get("type"):
        case "object":
            return _object(node, parts)
        case "array":
            items = node.get("items")
            return {"type": "array", "items": _structural(items, parts) if items else {**OPEN}}
        case "string" | "integer" | "number" | "boolean":
            kept = ("type", "minimum", "maximum", "minLength", "maxLength", "pattern")
            return {name: node[name] for name in kept if name in node}
        case _:
            return {"x-kubernetes-preserve-unknown-fields": True}


def _object(node: Value, parts: Value) -> Value:
    values = node.get("additionalProperties")
    if "properties" not in node:
        if not values:
            return dict(OPEN)
        return {"type": "object", "additionalProperties": _structural(values, parts)}
    described: Value = {
        "type": "object",
        "properties": {name: _structural(value, parts) for name, value in node["properties"].items()},
    }
    if node.get("required"):
        described["required"] = list(node["required"])
    return described


def _column(name: str, path: str, priority: int = 0) -> Value:
    column: Value = {"name": name, "type": "date" if name == AGE[0] else "string", "jsonPath": path}
    return column | {"priority": priority} if priority else column
