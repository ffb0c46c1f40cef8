"""The tree of a parsed expression. `offset` is where messages point: the operator, dot or bracket.

Macros stay nodes of their own instead of being expanded: the checker and compiler know them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant: None, bool, int, UInt, float, str or bytes."""

    offset: int
    value: object


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A variable or type name."""

    offset: int
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """operand.field; is_test: has(operand.field); is_optional: operand.?field."""

    offset: int
    operand: Node
    field: str
    is_test: bool = False
    is_optional: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function, method or operator. Operators are named as cel-go does: _+_, !_, _[_], _?_:_."""

    offset: int
    function: str
    target: Node | None
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ListNode:
    """[a, ?b]. optional: the indices written with a question mark."""

    offset: int
    items: tuple[Node, ...]
    optional: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class MapNode:
    """{key: value, ?key: optional}."""

    offset: int
    entries: tuple[tuple[Node, Node, bool], ...]


@dataclass(frozen=True, slots=True, eq=False)
class StructNode:
    """TypeName{field: value, ?field: optional}."""

    offset: int
    type_name: str
    fields: tuple[tuple[str, Node, bool], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Macro:
    """target.name(variables..., arguments...): all, exists, exists_one, map, filter, transformList,
    transformMap, optMap, optFlatMap, and bind (whose target is the bound value).
    """

    offset: int
    name: str
    target: Node
    variables: tuple[str, ...]
    arguments: tuple[Node, ...]


Node = Literal | Name | Select | Call | ListNode | MapNode | StructNode | Macro


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below."""
    if isinstance(node, Select):
        yield node.operand
    elif isinstance(node, Call):
        if node.target is not None:
            yield node.target
        yield from node.arguments
    elif isinstance(node, ListNode):
        yield from node.items
    elif isinstance(node, MapNode):
        for key, value, _ in node.entries:
            yield key
            yield value
    elif isinstance(node, StructNode):
        yield from (value for _, value, _ in node.fields)
    elif isinstance(node, Macro):
        yield node.target
        yield from node.arguments


def names_in(node: Node) -> frozenset[str]:
    """Every variable that is named, bound ones included."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Name):
            found.add(one.name)
        waiting.extend(children(one))
    return frozenset(found)
