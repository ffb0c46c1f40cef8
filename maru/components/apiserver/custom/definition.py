"""What a CustomResourceDefinition says, read into kinds that can be served.

Pure. Source: apiextensions.k8s.io/v1 CustomResourceDefinition; apiextensions-apiserver
pkg/apiserver/customresource_handler.go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.apiserver.custom.columns import columns_of
from maru.components.apiserver.custom.conversion import ConvertCall, Renamed, Webhooks, has_versions
from maru.components.apiserver.custom.strategy import CustomStrategy
from maru.components.apiserver.model.catalog import Conversion, Custom, ScalePaths, Served, served
from maru.core.document import Resource, Value
from maru.wire.cel.functions import Library
from maru.wire.k8s.schema import ResourceInfo, Schema, SubresourceInfo, TypeNode
from maru.wire.k8s.structural import from_structural_schema, without_schema

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_DOCUMENT_VERBS = ("get", "patch", "update")
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_STAGES = {"alpha": 0, "beta": 1, "": 2}


@dataclass(frozen=True, slots=True)
class Tools:
    """What kinds are made with. schema: the built-in types. library: what rules may call. convert: calls webhooks."""

    schema: Schema
    library: Library
    convert: ConvertCall


def kinds_of(definition: Value, tools: Tools) -> Sequence[Served]:
    """Every served version, the most stable first. `definition` has been defaulted and checked."""
    spec = definition["spec"]
    is_going = bool(definition["metadata"].get("deletionTimestamp"))
    versions = sorted((one for one in spec["versions"] if one.get("served")), key=_rank, reverse=True)
    return [_served(definition, version, tools, is_going=is_going) for version in versions]


def version_rank(name: str) -> tuple[int, int, int, int, str]:
    """Ascending: unknown names, then alpha, beta, stable; higher numbers later."""
    match = _VERSION.fullmatch(name)
    if match is None:
        return (0, 0, 0, 0, name)
    return (1, _STAGES[match[2] or ""], int(match[1]), int(match[3] or 0), name)


def condition(definition: Value, kind: str) -> Value | None:
    """A condition of its status."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), None)


def is_established(definition: Value) -> bool:
    """Whether its names were accepted and it is to be served."""
    found = condition(definition, "Established")
    return found is not None and found.get("status") == "True"


def _served(definition: Value, version: Value, tools: Tools, *, is_going: bool) -> Served:
    spec, name = definition["spec"], version["name"]
    kept = next(one for one in spec["versions"] if one.get("storage"))
    stored = _resource(spec, kept["name"])
    open_schema, node = _typed(spec, version, tools.schema)
    entry = _info(spec, version, is_going=is_going)
    resource = _resource(spec, name)
    strategy = CustomStrategy(open_schema, node, tools.library)
    versions = (resource.api_version, stored.api_version)
    conversion: Conversion | None = None
    stored_node = None
    if has_versions(definition, resource.version):
        if (spec.get("conversion") or {}).get("strategy") == "Webhook":
            # Converted before anything else is done: what follows sees the stored version.
            conversion = Webhooks(definition, versions, tools.convert, strategy.default)
            kept_schema, stored_node = _typed(spec, kept, tools.schema)
            strategy = CustomStrategy(kept_schema, stored_node, tools.library)
        else:
            conversion = Renamed(*versions)
    return served(
        entry,
        node,
        strategy,
        stored=stored,
        stored_node=stored_node,
        conversion=conversion,
        custom=Custom(
            definition=definition["metadata"]["name"],
            schema=open_schema,
            columns=columns_of(version),
            scale=_scale(version),
            selectable=[one["jsonPath"].lstrip(".") for one in version.get("selectableFields") or ()],
        ),
    )


def _typed(spec: Value, version: Value, schema: Schema) -> tuple[Value, TypeNode]:
    """The schema of a version, and the type it describes."""
    open_schema: Value = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    if spec.get("preserveUnknownFields"):
        open_schema = {**open_schema, "x-kubernetes-preserve-unknown-fields": True}
    return open_schema, from_structural_schema(open_schema, schema) if open_schema else without_schema(schema)


def _resource(spec: Value, version: str) -> Resource:
    names = spec["names"]
    return Resource(spec["group"], version, names["plural"], names["kind"], spec["scope"] == "Namespaced")


def _info(spec: Value, version: Value, *, is_going: bool) -> ResourceInfo:
    names, group, name = spec["names"], spec["group"], version["name"]
    subresources: list[SubresourceInfo] = []
    wanted = version.get("subresources") or {}
    if wanted.get("status") is not None:
        subresources.append(SubresourceInfo("status", group, name, names["kind"], _DOCUMENT_VERBS))
    if wanted.get("scale") is not None:
        subresources.append(SubresourceInfo("scale", "autoscaling", "v1", "Scale", _DOCUMENT_VERBS))
    return ResourceInfo(
        group=group,
        version=name,
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        verbs=tuple(verb for verb in VERBS if verb != "create" or not is_going),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(subresources),
    )


def _scale(version: Value) -> ScalePaths | None:
    scale = (version.get("subresources") or {}).get("scale")
    if scale is None:
        return None
    return ScalePaths(
        scale["specReplicasPath"].lstrip("."),
        scale["statusReplicasPath"].lstrip("."),
        (scale.get("labelSelectorPath") or "").lstrip("."),
    )


def _rank(version: Value) -> tuple[int, int, int, int, str]:
    return version_rank(version["name"])
