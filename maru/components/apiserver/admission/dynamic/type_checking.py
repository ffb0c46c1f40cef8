"""What the types of the kinds a policy names say about its expressions: warnings in its status, never a refusal.

Kinds named with a wildcard, and subresources, are not looked at. Source: k8s.io/apiserver
pkg/admission/plugin/policy/validating/typechecking.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from maru.components.apiserver.admission.dynamic.expressions import POLICY, Expressions
from maru.components.apiserver.model.catalog import Catalog, Served
from maru.core.document import Value
from maru.kinds.resources import NAMESPACES
from maru.wire.cel.compiler import property_name
from maru.wire.cel.errors import CompileError
from maru.wire.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    map_of,
    object_of,
)
from maru.wire.k8s.schema import TypeNode

KINDS_MAX = 10  # the real server's bound
_SIMPLE: Mapping[str, Type] = {
    "string": STRING,
    "integer": INT,
    "number": DOUBLE,
    "boolean": BOOL,
    "bytes": BYTES,
    "time": TIMESTAMP,
    "micro_time": TIMESTAMP,
}


def type_of(node: TypeNode) -> Type:
    """A type of the API as expressions see it; dyn for what may be of several kinds."""
    if node.kind == "object":
        fields = node.fields
        if not fields:
            return DYN

        def shape(name: str) -> Type | None:
            found = fields.get(property_name(name))
            return None if found is None else type_of(found)

        return object_of(node.name or "object", shape)
    if node.kind in ("map", "list"):
        inner = DYN if node.items is None else type_of(node.items)
        return list_of(inner) if node.kind == "list" else map_of(STRING, inner)
    return _SIMPLE.get(node.kind, DYN)


class TypeChecker:
    """Checks policies against the kinds served now."""

    def __init__(self, expressions: Expressions, catalog: Catalog) -> None:
        self._expressions = expressions
        self._catalog = catalog

    def warnings(self, policy: Value) -> Sequence[Value]:
        """The expressionWarnings of the policy's status."""
        spec = policy["spec"]
        kinds = [(served, self._declared(spec, served)) for served in self._kinds(spec)]
        found: list[Value] = []
        for field, text in _expressions(spec):
            said = "".join(self._faults(text, kinds))
            if said:
                found.append({"fieldRef": field, "warning": said})
        return found

    def _faults(self, text: str, kinds: Sequence[tuple[Served, Mapping[str, Type]]]) -> Iterable[str]:
        for served, types in kinds:
            try:
                self._expressions.compiled_once(text, types)
            except CompileError as error:
                resource = served.resource
                yield f"{resource.group}/{resource.version}, Kind={resource.kind}: compilation failed: {error}\n"

    def _kinds(self, spec: Value) -> Sequence[Served]:
        found: dict[tuple[str, str, str], Served] = {}
        for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
            groups, versions, plurals = (rule.get(name) or () for name in ("apiGroups", "apiVersions", "resources"))
            if "*" in groups or "*" in versions or "*" in plurals:
                continue
            every = (
                self._catalog.find(group, version, one) for group in groups for version in versions for one in plurals
            )
            for served in every:
                if served is not None:
                    found[served.resource.group, served.resource.version, served.resource.kind] = served
        return [found[key] for key in sorted(found)][:KINDS_MAX]

    def _declared(self, spec: Value, served: Served) -> Mapping[str, Type]:
        """The variables of expressions about one kind; a variable that cannot be compiled is dyn."""
        own = type_of(served.node)
        space = self._catalog.of(NAMESPACES)
        assert space is not None, "namespaces are built in"
        types: dict[str, Type] = {**POLICY, "object": own, "oldObject": own, "namespaceObject": type_of(space.node)}
        kind = spec.get("paramKind")
        if kind:
            group, _, version = (kind.get("apiVersion") or "").rpartition("/")
            params = self._catalog.of_kind(group, version, kind.get("kind") or "")
            types["params"] = DYN if params is None else type_of(params.node)
        variables: dict[str, Type] = {}
        types["variables"] = object_of("variables", variables.get)
        for one in spec.get("variables") or ():
            try:
                variables[one["name"]] = self._expressions.compiled_once(one["expression"], types).result
            except CompileError:
                variables[one["name"]] = DYN
        return types


def _expressions(spec: Value) -> Iterable[tuple[str, str]]:
    for index, one in enumerate(spec.get("validations") or ()):
        for name in ("expression", "messageExpression"):
            if one.get(name):
                yield f"spec.validations[{index}].{name}", one[name]
