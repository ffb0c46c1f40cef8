"""The kinds that are served, as one table that may change while running.

Built-in kinds come from the schema at start; each CustomResourceDefinition that is established puts
its own and takes them away again. One storage may be served in several versions: `Served.convert`
goes between them. Readers keep what they looked up for the length of one request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from maru.core.document import Resource, Value
from maru.kinds.strategy import Column, Strategy
from maru.wire.k8s.openapi import CustomSchema
from maru.wire.k8s.schema import ResourceInfo, SubresourceInfo, TypeNode


class Conversion(Protocol):
    """Between a served version and the stored one, many documents at once. The arguments are not changed."""

    async def to_stored(self, values: Sequence[Value]) -> Sequence[Value]: ...
    async def from_stored(self, values: Sequence[Value]) -> Sequence[Value]: ...


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a custom kind keeps what Scale shows; dotted paths without the leading dot, "" if it has none."""

    replicas: str
    status_replicas: str
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Custom:
    """What a CustomResourceDefinition says of one version. definition: its name.

    schema: openAPIV3Schema, {} if it has none. columns: as printed. selectable: dotted field paths.
    """

    definition: str
    schema: Value
    columns: Sequence[Column] = ()
    scale: ScalePaths | None = None
    selectable: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Served:
    """One kind in one version. stored: the same kind as it is kept; conversion: None where they are the same.

    stored_node: its type as it is kept, None where that is `node` but for names.
    """

    entry: ResourceInfo
    resource: Resource
    stored: Resource
    node: TypeNode
    strategy: Strategy
    conversion: Conversion | None = None
    stored_node: TypeNode | None = None
    custom: Custom | None = None
    subresources: Mapping[str, SubresourceInfo] = field(default_factory=dict)
    verbs: frozenset[str] = frozenset()

    @property
    def kept_node(self) -> TypeNode:
        """The type of documents as they are kept."""
        return self.stored_node or self.node

    @property
    def is_virtual(self) -> bool:
        """Created and answered, never stored: reviews, bindings."""
        return "list" not in self.verbs and "get" not in self.verbs

    @property
    def has_status(self) -> bool:
        """Whether the status is written by its subresource alone."""
        return "status" in self.subresources


def served(
    entry: ResourceInfo,
    node: TypeNode,
    strategy: Strategy,
    *,
    stored: Resource | None = None,
    stored_node: TypeNode | None = None,
    conversion: Conversion | None = None,
    custom: Custom | None = None,
) -> Served:
    """The entry of one kind."""
    resource = Resource(entry.group, entry.version, entry.plural, entry.kind, entry.namespaced)
    return Served(
        entry=entry,
        resource=resource,
        stored=stored or resource,
        node=node,
        strategy=strategy,
        conversion=conversion,
        stored_node=stored_node,
        custom=custom,
        subresources={one.name: one for one in entry.subresources},
        verbs=frozenset(entry.verbs),
    )


class Catalog:
    """All served kinds. `generation` counts changes, so that what is made from the table can be kept until then."""

    def __init__(self, builtin: Sequence[Served] = ()) -> None:
        self.generation = 0
        self._sets: dict[str, Sequence[Served]] = {"": tuple(builtin)}
        self._by_path: dict[tuple[str, str, str], Served] = {}
        self._by_kind: dict[tuple[str, str, str], Served] = {}
        self._by_storage: dict[str, Served] = {}
        self._all: Sequence[Served] = ()
        self._settle()

    def find(self, group: str, version: str, plural: str) -> Served | None:
        """The kind at a path."""
        return self._by_path.get((group, version, plural))

    def of(self, resource: Resource) -> Served | None:
        """The kind that serves `resource`."""
        return self._by_path.get((resource.group, resource.version, resource.plural))

    def of_kind(self, group: str, version: str, kind: str) -> Served | None:
        """The stored kind of that name (owner references, scale targets)."""
        return self._by_kind.get((group, version, kind))

    def of_storage(self, storage: str) -> Served | None:
        """The kind in the version it is kept in."""
        return self._by_storage.get(storage)

    @property
    def all(self) -> Sequence[Served]:
        """Every kind: built-in ones first, in the schema's order."""
        return self._all

    @property
    def entries(self) -> Sequence[ResourceInfo]:
        """For discovery."""
        return [one.entry for one in self._all]

    @property
    def customs(self) -> Sequence[CustomSchema]:
        """For OpenAPI."""
        return [CustomSchema(one.entry, one.custom.schema) for one in self._all if one.custom is not None]

    def has_group_version(self, group: str, version: str) -> bool:
        """Whether anything is served there."""
        return any(one.entry.group == group and one.entry.version == version for one in self._all)

    def put(self, name: str, kinds: Sequence[Served]) -> None:
        """Serve `kinds` under `name` (a definition's name), in place of what stood there; none removes."""
        if kinds:
            self._sets[name] = tuple(kinds)
        else:
            self._sets.pop(name, None)
        self._settle()

    def _settle(self) -> None:
        self._all = tuple(one for kinds in self._sets.values() for one in kinds)
        self._by_path = {(one.entry.group, one.entry.version, one.entry.plural): one for one in self._all}
        self._by_kind = {
            (one.entry.group, one.entry.version, one.entry.kind): one for one in self._all if not one.is_virtual
        }
        self._by_storage = {}
        for one in self._all:
            if not one.is_virtual and (one.stored == one.resource or one.stored.storage not in self._by_storage):
                self._by_storage[one.stored.storage] = one
        self.generation += 1
