"""The built-in kinds, from the schema to the catalog.

Source: Kubernetes 1.36 API reference; storage versions as k8s.io/kubernetes/pkg/registry keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.apiserver.custom.definition_strategy import DefinitionStrategy
from maru.components.apiserver.model.catalog import Conversion, Served, served
from maru.components.apiserver.model.conversion import (
    Pair,
    autoscaler_from_v2,
    autoscaler_to_v2,
    event_from_core,
    event_to_core,
)
from maru.core.document import Resource
from maru.core.errors import Broken
from maru.kinds.resources import CUSTOMRESOURCEDEFINITIONS, EVENTS, HORIZONTALPODAUTOSCALERS
from maru.kinds.strategy import StrategyTable
from maru.wire.k8s.schema import ANY, ResourceInfo, Schema


def builtin_kinds(schema: Schema, strategies: StrategyTable) -> Sequence[Served]:
    """Every kind of the schema. Raises Broken if one has no type."""
    conversions: Mapping[tuple[str, str, str], tuple[Resource, Conversion]] = {
        ("events.k8s.io", "v1", "events"): (EVENTS, Pair(event_to_core, event_from_core)),
        ("autoscaling", "v1", "horizontalpodautoscalers"): (
            HORIZONTALPODAUTOSCALERS,
            Pair(autoscaler_to_v2, autoscaler_from_v2),
        ),
    }
    return [_entry(entry, schema, strategies, conversions) for entry in schema.resources]


def _entry(
    entry: ResourceInfo,
    schema: Schema,
    strategies: StrategyTable,
    conversions: Mapping[tuple[str, str, str], tuple[Resource, Conversion]],
) -> Served:
    node = schema.type_of(entry.group, entry.version, entry.kind)
    if node is None:
        if entry.verbs != ("create",):
            raise Broken(what=f"kind {entry.kind}", why="the schema has no type for it", fix="build the schema again")
        node = ANY
    stored, conversion = conversions.get((entry.group, entry.version, entry.plural), (None, None))
    own = Resource(entry.group, entry.version, entry.plural, entry.kind, entry.namespaced)
    is_definition = own.storage == CUSTOMRESOURCEDEFINITIONS.storage
    strategy = DefinitionStrategy() if is_definition else strategies.of(own.storage)
    return served(entry, node, strategy, stored=stored, conversion=conversion)
