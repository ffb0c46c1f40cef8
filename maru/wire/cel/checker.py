"""The types of all parts of an expression; what does not fit is refused before anything is evaluated.

Source: cel-spec, doc/langdef.md, "Type Checking"; the wording is cel-go's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.wire.cel.errors import CompileError
from maru.wire.cel.functions import Library, Overload
from maru.wire.cel.syntax import Call, ListNode, Literal, Macro, MapNode, Name, Node, Select, StructNode
from maru.wire.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    NULL,
    NUMBERS,
    STRING,
    TYPE,
    UINT,
    Type,
    fits,
    joined,
    list_of,
    map_of,
    optional_of,
    substituted,
)
from maru.wire.cel.values import UInt

Scope = Mapping[str, Type]
TYPE_NAMES = frozenset(
    ("bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type", "optional_type")
)
_ORDERED = frozenset({"int", "uint", "double", "string", "bytes", "bool", "timestamp", "duration", "dyn"})
_TIME_SUMS: Mapping[tuple[str, str, str], Type] = {
    ("_+_", "timestamp", "duration"): Type("timestamp"),
    ("_+_", "duration", "timestamp"): Type("timestamp"),
    ("_+_", "duration", "duration"): Type("duration"),
    ("_-_", "timestamp", "duration"): Type("timestamp"),
    ("_-_", "timestamp", "timestamp"): Type("duration"),
    ("_-_", "duration", "duration"): Type("duration"),
}


@dataclass(frozen=True, slots=True)
class Declarations:
    """variables and structs: types by name. functions: the library."""

    variables: Scope
    functions: Library
    structs: Mapping[str, Type] = field(default_factory=dict)


@dataclass(slots=True)
class Checked:
    """types: of each node by id. overloads: which may apply, of each library call by id."""

    node: Node
    result: Type
    types: dict[int, Type]
    overloads: dict[int, Sequence[Overload]]


def check(source: str, node: Node, declarations: Declarations) -> Checked:
    """Raises CompileError for the first thing that does not fit."""
    checker = _Checker(source, declarations)
    result = checker.type_of(node, declarations.variables)
    return Checked(node, result, checker.types, checker.overloads)


def dotted(node: Node | None) -> str:
    """a.b.c as text; "" for anything else."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Select) and not node.is_test and not node.is_optional:
        before = dotted(node.operand)
        return f"{before}.{node.field}" if before else ""
    return ""


class _Checker:
    def __init__(self, source: str, declarations: Declarations) -> None:
        self._source = source
        self._declared = declarations
        self.types: dict[int, Type] = {}
        self.overloads: dict[int, Sequence[Overload]] = {}
        self._mixed: set[int] = set()  # list literals whose items may differ: the arguments of format

    def type_of(self, node: Node, scope: Scope) -> Type:
        found = self._find(node, scope)
        self.types[id(node)] = found
        return found

    def _error(self, node: Node, message: str) -> CompileError:
        return CompileError(self._source, node.offset, message)

    def _find(self, node: Node, scope: Scope) -> Type:
        if isinstance(node, Literal):
            return _literal(node.value)
        if isinstance(node, Name):
            return self._name(node, scope)
        if isinstance(node, Select):
            return self._select(node, scope)
        if isinstance(node, Call):
            return self._call(node, scope)
        if isinstance(node, Macro):
            return self._macro(node, scope)
        if isinstance(node, StructNode):
            return self._struct(node, scope)
        if isinstance(node, ListNode):
            return self._list(node, scope)
        return self._map(node, scope)

    def _name(self, node: Name, scope: Scope) -> Type:
        found = scope.get(node.name)
        if found is not None:
            return found
        if node.name in TYPE_NAMES:
            return TYPE
        raise self._undeclared(node, node.name)

    def _undeclared(self, node: Node, name: str) -> CompileError:
        return self._error(node, f"undeclared reference to '{name}' (in container '')")

    def _select(self, node: Select, scope: Scope) -> Type:
        operand = self.type_of(node.operand, scope)
        is_optional = node.is_optional
        if operand.kind == "optional_type":
            operand, is_optional = operand.parameters[0], True
        if operand.kind == "dyn":
            found = DYN
        elif operand.kind == "map":
            found = operand.parameters[1]
        elif operand.kind in ("object", "opaque") and operand.shape is not None:
            one = operand.shape(node.field)
            if one is None:
                raise self._error(node, f"undefined field '{node.field}'")
            found = one
        else:
            raise self._error(node, f"type '{operand}' does not support field selection")
        if node.is_test:
            return BOOL
        return optional_of(found) if is_optional else found

    def _list(self, node: ListNode, scope: Scope) -> Type:
        item: Type | None = None
        for index, one in enumerate(node.items):
            got = self.type_of(one, scope)
            if index in node.optional:
                if got.kind not in ("optional_type", "dyn"):
                    raise self._error(one, f"expected type 'optional_type' but found '{got}'")
                got = got.parameters[0] if got.parameters else DYN
            is_strange = item is not None and not fits(item, got, {}) and not fits(got, item, {})
            if is_strange and id(node) not in self._mixed:
                raise self._error(one, f"expected type '{item}' but found '{got}'")
            item = got if item is None else joined(item, got)
        return list_of(item or Type("dyn"), len(node.items))

    def _map(self, node: MapNode, scope: Scope) -> Type:
        key: Type | None = None
        value: Type | None = None
        for one, other, is_optional in node.entries:
            got_key, got = self.type_of(one, scope), self.type_of(other, scope)
            if is_optional:
                got = got.parameters[0] if got.parameters else DYN
            key = got_key if key is None else joined(key, got_key)
            value = got if value is None else joined(value, got)
        return map_of(key or DYN, value or DYN, len(node.entries))

    def _struct(self, node: StructNode, scope: Scope) -> Type:
        wanted = self._declared.structs.get(node.type_name) or self._nested(node.type_name)
        if wanted is None or wanted.shape is None:
            raise self._undeclared(node, node.type_name)
        for name, value, is_optional in node.fields:
            want = wanted.shape(name)
            if want is None:
                raise self._error(value, f"undefined field '{name}'")
            got = self.type_of(value, scope)
            if is_optional and got.kind == "optional_type":
                got = got.parameters[0]
            if not fits(want, got, {}):
                raise self._error(value, f"expected type of field '{name}' is '{want}' but provided type is '{got}'")
        return wanted

    def _nested(self, name: str) -> Type | None:
        """Object.spec.template: the type of a field of a declared struct, through lists."""
        first, *rest = name.split(".")
        found = self._declared.structs.get(first)
        for part in rest:
            found = found.shape(part) if found is not None and found.shape is not None else None
            while found is not None and found.kind == "list":
                found = found.parameters[0]
        return found

    def _call(self, node: Call, scope: Scope) -> Type:
        if node.target is None and node.function in _OPERATORS:
            got = [self.type_of(one, scope) for one in node.arguments]
            found = _OPERATORS[node.function](node.function, got)
            if found is None:
                raise self._no_overload(node, got)
            return found
        name, target = self._resolved(node, scope)
        overloads = self._declared.functions.get(name)
        if overloads is None:
            raise self._undeclared(node, name)
        operands = ([] if target is None else [target]) + list(node.arguments)
        if name == "format":
            self._mixed.update(map(id, node.arguments))
        got = [self.type_of(one, scope) for one in operands]
        chosen: list[Overload] = []
        result: Type | None = None
        for one in overloads:
            bound: dict[str, Type] = {}
            if one.is_method != (target is not None) or len(one.parameters) != len(got):
                continue
            if all(fits(want, have, bound) for want, have in zip(one.parameters, got, strict=True)):
                chosen.append(one)
                answer = substituted(one.result, bound)
                result = answer if result is None else joined(result, answer)
        if result is None:
            raise self._no_overload(node, got, is_method=target is not None)
        self.overloads[id(node)] = chosen
        return result

    def _resolved(self, node: Call, scope: Scope) -> tuple[str, Node | None]:
        """The function's name in the library, and what it is called on."""
        prefix = dotted(node.target)
        if prefix and prefix.partition(".")[0] not in scope:
            name = f"{prefix}.{node.function}"
            if name in self._declared.functions:
                return name, None
        return node.function, node.target

    def _no_overload(self, node: Call, got: Sequence[Type], *, is_method: bool = False) -> CompileError:
        if is_method:
            shown = f"{got[0]}.({', '.join(map(str, got[1:]))})"
        else:
            shown = f"({', '.join(map(str, got))})"
        return self._error(node, f"found no matching overload for '{node.function}' applied to '{shown}'")

    def _macro(self, node: Macro, scope: Scope) -> Type:
        target = self.type_of(node.target, scope)
        if node.name == "bind":
            return self.type_of(node.arguments[0], {**scope, node.variables[0]: target})
        if node.name in ("optMap", "optFlatMap"):
            inner = target.parameters[0] if target.parameters else DYN
            found = self.type_of(node.arguments[0], {**scope, node.variables[0]: inner})
            return optional_of(found) if node.name == "optMap" else found
        inner_scope = {**scope, **self._variables(node, target)}
        got = [self.type_of(one, inner_scope) for one in node.arguments]
        tests = got[:-1] if node.name in ("map", "transformList", "transformMap") else got
        for one, found in zip(node.arguments, tests, strict=False):
            if found.kind not in ("bool", "dyn"):
                raise self._error(one, f"expected type 'bool' but found '{found}'")
        if node.name in ("map", "transformList"):
            return list_of(got[-1], target.size_max)
        if node.name == "transformMap":
            return map_of(target.parameters[0] if target.kind == "map" else INT, got[-1])
        if node.name == "filter":
            return list_of(inner_scope[node.variables[0]], target.size_max)
        return BOOL

    def _variables(self, node: Macro, target: Type) -> dict[str, Type]:
        if target.kind == "list":
            one, two = INT, target.parameters[0]
        elif target.kind == "map":
            one, two = target.parameters
        elif target.kind == "dyn":
            one = two = DYN
        else:
            raise self._error(
                node.target,
                f"expression of type '{target}' cannot be range of a comprehension (must be list, map, or dynamic)",
            )
        if len(node.variables) == 2:
            return {node.variables[0]: one, node.variables[1]: two}
        return {node.variables[0]: one if target.kind == "map" else two}


def _literal(value: object) -> Type:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, UInt):
        return UINT
    if isinstance(value, int):
        return INT
    if isinstance(value, float):
        return DOUBLE
    return STRING if isinstance(value, str) else BYTES


def _logic(name: str, got: Sequence[Type]) -> Type | None:
    return BOOL if all(one.kind in ("bool", "dyn") for one in got) else None


def _choice(name: str, got: Sequence[Type]) -> Type | None:
    condition, left, right = got
    if condition.kind not in ("bool", "dyn") or not (fits(left, right, {}) or fits(right, left, {})):
        return None
    return joined(left, right)


def _equality(name: str, got: Sequence[Type]) -> Type | None:
    left, right = got
    if (left.kind in NUMBERS and right.kind in NUMBERS) or "null_type" in (left.kind, right.kind):
        return BOOL
    return BOOL if fits(left, right, {}) or fits(right, left, {}) else None


def _order(name: str, got: Sequence[Type]) -> Type | None:
    left, right = got
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return BOOL
    if left.kind not in _ORDERED or right.kind not in _ORDERED:
        return None
    return BOOL if left.kind == right.kind or "dyn" in (left.kind, right.kind) else None


def _sum(name: str, got: Sequence[Type]) -> Type | None:
    left, right = got
    time = _TIME_SUMS.get((name, left.kind, right.kind))
    if time is not None:
        return time
    if "dyn" in (left.kind, right.kind):
        return DYN
    allowed = NUMBERS | {"string", "bytes", "list"} if name == "_+_" else NUMBERS
    if left.kind != right.kind or left.kind not in allowed:
        return None
    if left.kind == "list":
        return joined(left, right) if fits(left, right, {}) or fits(right, left, {}) else None
    return left


def _product(name: str, got: Sequence[Type]) -> Type | None:
    left, right = got
    allowed = NUMBERS if name != "_%_" else NUMBERS - {"double"}
    if "dyn" in (left.kind, right.kind):
        return DYN
    return left if left.kind == right.kind and left.kind in allowed else None


def _within(name: str, got: Sequence[Type]) -> Type | None:
    left, right = got
    if right.kind == "dyn":
        return BOOL
    if right.kind not in ("list", "map"):
        return None
    inner = right.parameters[0]
    return BOOL if fits(inner, left, {}) or {inner.kind, left.kind} <= NUMBERS else None


def _index(name: str, got: Sequence[Type]) -> Type | None:
    target, key = got
    is_optional = name == "_[?_]"
    if target.kind == "optional_type":
        target, is_optional = target.parameters[0], True
    if target.kind == "list" and key.kind in (*NUMBERS, "dyn"):
        found = target.parameters[0]
    elif target.kind == "map" and fits(target.parameters[0], key, {}):
        found = target.parameters[1]
    elif target.kind == "dyn":
        found = DYN
    else:
        return None
    return optional_of(found) if is_optional else found


def _opposite(name: str, got: Sequence[Type]) -> Type | None:
    return got[0] if got[0].kind in ("int", "double", "dyn", "duration") else None


_OPERATORS = {
    "_&&_": _logic,
    "_||_": _logic,
    "!_": _logic,
    "_?_:_": _choice,
    "_==_": _equality,
    "_!=_": _equality,
    "_<_": _order,
    "_<=_": _order,
    "_>_": _order,
    "_>=_": _order,
    "_+_": _sum,
    "_-_": _sum,
    "_*_": _product,
    "_/_": _product,
    "_%_": _product,
    "@in": _within,
    "_[_]": _index,
    "_[?_]": _index,
    "-_": _opposite,
}
