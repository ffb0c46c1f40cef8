"""The types and resources of the Kubernetes API, read from one compact file made at build time.

`tools/build_schema.py` makes `schema.bin` from the PyPI packages kubernetes-validate (types, list
types, merge keys) and lightkube-models (resources, verbs, scope). A `TypeNode` is resolved when it
is first asked for, so a process holds only the types it uses; descriptions stay compressed until
OpenAPI is asked for. Custom resources get the same TypeNodes from their structural schema.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from maru.wire.k8s.facts import KEY_DEFAULTS

Value = dict[str, Any]

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
SCHEMA_FILE = Path(__file__).with_name("schema.bin")


class SubresourceInfo(msgspec.Struct, frozen=True):
    """One subresource. group, version, kind: of its body (deployments/scale: autoscaling v1 Scale).

    verbs: as discovery spells them (create, delete, get, patch, update). path_suffix: a proxy takes
    a path of its own behind it.
    """

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]
    path_suffix: bool = False


class ResourceInfo(msgspec.Struct, frozen=True):
    """One resource as discovery shows it. verbs ascending: create, delete, ..., watch.

    A virtual resource (reviews, bindings) has the verb create only and is not stored.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[SubresourceInfo, ...] = ()

    @property
    def api_version(self) -> str:
        """As `apiVersion` spells it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def subresource(self, name: str) -> SubresourceInfo | None:
        """The subresource of that name, if there is one."""
        return next((one for one in self.subresources if one.name == name), None)


class TypeNode:
    """The type of one value; immutable once made.

    kind: object (named fields), map, list, string, integer, number, boolean, int_or_string, quantity,
    time, micro_time, duration, bytes, any. name: the definition behind an object
    (io.k8s.api.core.v1.Pod), empty for others. items: of a list or map. list_type: atomic, set, map
    or empty (which is atomic). map_keys: of a list of type map. atomic: an object or map owned as a
    whole. patch_strategy: of merge, replace, retainKeys. preserve: unknown fields are kept.
    embedded: a whole object (apiVersion, kind, metadata) stands here.
    """

    __slots__ = (
        "_fields", "_items", "_resolve", "atomic", "clean", "default", "embedded", "enum", "format", "has_default",
        "kind", "list_type", "map_keys", "merge_key", "name", "nullable", "patch_strategy", "preserve", "required",
    )  # fmt: skip

    def __init__(self, kind: str, name: str = "") -> None:
        self.kind = kind
        self.name = name
        self.required: frozenset[str] = frozenset()
        self.list_type = ""
        self.map_keys: tuple[str, ...] = ()
        self.patch_strategy: tuple[str, ...] = ()
        self.merge_key = ""
        self.atomic = False
        self.format = ""
        self.enum: tuple[object, ...] = ()
        self.default: object = None
        self.has_default = False
        self.preserve = False
        self.embedded = False
        self.nullable = False
        self.clean: Callable[[Any], bool] | None = None
        self._fields: Mapping[str, TypeNode] | None = {}
        self._items: TypeNode | None = None
        self._resolve: Callable[[TypeNode], None] | None = None

    @property
    def fields(self) -> Mapping[str, TypeNode]:
        """The named fields of an object; empty for other kinds."""
        if self._resolve is not None:
            self._settle()
        return self._fields or {}

    @property
    def items(self) -> TypeNode | None:
        """The type of the elements of a list or map."""
        if self._resolve is not None:
            self._settle()
        return self._items

    def _settle(self) -> None:
        resolve, self._resolve = self._resolve, None
        if resolve is not None:
            resolve(self)

    def put(self, fields: Mapping[str, TypeNode], items: TypeNode | None) -> None:
        """Fill in what was resolved late; only builders call this."""
        self._resolve = None
        self._fields = fields
        self._items = items

    def later(self, resolve: Callable[[TypeNode], None]) -> None:
        """Resolve fields and items by `resolve` when they are first asked for; only builders call this."""
        self._resolve = resolve

    def __repr__(self) -> str:
        return f"TypeNode({self.kind}{' ' + self.name if self.name else ''})"


ANY = TypeNode("any")


class _File(msgspec.Struct, array_like=True, frozen=True):
    """schema.bin. types, texts: zlib of msgpack maps, see tools/build_schema.py."""

    source: str
    resources: tuple[ResourceInfo, ...]
    kinds: dict[str, str]  # "group/version/kind" -> definition name
    types: bytes  # {definition name: packed definition}
    texts: bytes  # {definition name: [description, {field: description}]}


class Schema:
    """All built-in types and resources."""

    def __init__(self, packed: bytes) -> None:
        file = msgspec.msgpack.decode(packed, type=_File)
        self.source = file.source
        self.resources: Sequence[ResourceInfo] = file.resources
        self._kinds = file.kinds
        self._definitions: dict[str, msgspec.Raw] = msgspec.msgpack.decode(
            zlib.decompress(file.types), type=dict[str, msgspec.Raw]
        )
        self._texts = file.texts
        self._nodes: dict[str, TypeNode] = {}
        self._by_kind = {(one.group, one.version, one.kind): one for one in reversed(file.resources)}

    def type_of(self, group: str, version: str, kind: str) -> TypeNode | None:
        """The type of a kind's document, or None if it is not built in."""
        name = self._kinds.get(f"{group}/{version}/{kind}")
        return None if name is None else self.type_named(name)

    def resource_of(self, group: str, version: str, kind: str) -> ResourceInfo | None:
        """The resource that serves a kind, or None."""
        return self._by_kind.get((group, version, kind))

    def type_named(self, name: str) -> TypeNode:
        """The type of a definition (io.k8s.api.core.v1.Pod). Raises KeyError."""
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = self._build(msgspec.msgpack.decode(self._definitions[name]), name)
        return node

    def definition_names(self) -> Sequence[str]:
        """Every definition, ascending."""
        return sorted(self._definitions)

    def kinds_of(self, name: str) -> Sequence[tuple[str, str, str]]:
        """The (group, version, kind) names under which a definition stands, ascending."""
        found = [key for key, definition in self._kinds.items() if definition == name]
        return sorted((group, version, kind) for group, version, kind in (key.rsplit("/", 2) for key in found))

    def texts(self) -> Mapping[str, tuple[str, Mapping[str, str]]]:
        """Descriptions by definition name: its own and its fields'; decompressed on every call."""
        return msgspec.msgpack.decode(zlib.decompress(self._texts), type=dict[str, tuple[str, dict[str, str]]])

    def _build(self, packed: Value, name: str = "") -> TypeNode:
        """packed: {k: kind, f: fields, i: items, r: ref, q: required, ...}; see tools/build_schema.py."""
        reference = packed.get("r")
        if reference is not None and len(packed) == 1:
            return self.type_named(reference)
        node = TypeNode("any", name) if reference is None else _copy(self.type_named(reference))
        node.kind = packed.get("k", node.kind)
        node.format = packed.get("o", node.format)
        node.list_type = packed.get("l", node.list_type)
        node.map_keys = tuple(packed.get("m", node.map_keys))
        node.patch_strategy = tuple(packed.get("p", node.patch_strategy))
        node.merge_key = packed.get("e", node.merge_key)
        node.atomic = packed.get("a", node.atomic)
        node.required = frozenset(packed.get("q", node.required))
        if "f" in packed or "i" in packed:
            fields, items = packed.get("f", {}), packed.get("i")

            def resolve(target: TypeNode) -> None:
                built = {key: self._build(one) for key, one in fields.items()}
                for key, default in KEY_DEFAULTS.get(name, {}).items():
                    built[key].default, built[key].has_default = default, True
                target.put(built, None if items is None else self._build(items))

            node.later(resolve)
        return node


def _copy(source: TypeNode) -> TypeNode:
    """A node of the same type, to carry a field's own list or patch attributes."""
    node = TypeNode(source.kind, source.name)
    for attribute in ("required", "list_type", "map_keys", "patch_strategy", "merge_key", "atomic", "format", "enum"):
        setattr(node, attribute, getattr(source, attribute))
    node.preserve = source.preserve
    node.embedded = source.embedded
    node.later(lambda target: target.put(source.fields, source.items))
    return node


def load_schema(path: Path = SCHEMA_FILE) -> Schema:
    """Read the built file. Raises FileNotFoundError if it was never built (python tools/build_schema.py)."""
    return Schema(path.read_bytes())
