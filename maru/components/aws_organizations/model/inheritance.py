"""The effective policy: what management policies add up to from the root down to an account.

A setting is a value, or an object of operators: @@assign puts another value in place, @@append adds to it,
@@remove takes from it. @@operators_allowed_for_child_policies says which of them policies further down may use
at that place and below. Policies attached to one target count in the order of their attachment.
Source: AWS Organizations User Guide, "Inheritance operators", "Inheritance examples".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from maru.core.document import Value

ASSIGN, APPEND, REMOVE = "@@assign", "@@append", "@@remove"
ALLOWED = "@@operators_allowed_for_child_policies"
OPERATORS = (ASSIGN, APPEND, REMOVE, ALLOWED)
_ALL = frozenset((ASSIGN, APPEND, REMOVE))

Setting = str | int | float | bool | list[object]


@dataclass
class _Node:
    """A place in the policy so far. value: None where there is none; allowed: what levels below may use."""

    value: Setting | None = None
    allowed: frozenset[str] | None = None
    children: dict[str, _Node] = field(default_factory=dict)


def effective(levels: Iterable[Sequence[Value]]) -> Value | None:
    """The effective policy of `levels`, from the root down; None where there is no policy at all."""
    top = _Node()
    is_any = False
    for policies in levels:
        limits: list[tuple[_Node, frozenset[str]]] = []
        for policy in policies:
            is_any = True
            _merge(top, policy, _ALL, limits)
        for node, allowed in limits:  # they hold for the levels below, not for this one
            node.allowed = allowed
    return _written(top) if is_any else None


def _merge(node: _Node, given: Value, allowed: frozenset[str], limits: list[tuple[_Node, frozenset[str]]]) -> None:
    allowed = allowed & node.allowed if node.allowed is not None else allowed
    for name, value in given.items():
        if name == ALLOWED:
            limits.append((node, _operators(value) & allowed))
        elif name in _ALL:
            if name in allowed:
                _operate(node, name, value)
        elif isinstance(value, dict):
            _merge(node.children.setdefault(name, _Node()), value, allowed, limits)
        else:
            child = node.children.setdefault(name, _Node())
            if ASSIGN in (allowed if child.allowed is None else allowed & child.allowed):
                child.value = value


def _operators(named: object) -> frozenset[str]:
    names = named if isinstance(named, list) else [named]
    if "@@all" in names:
        return _ALL
    return frozenset(name for name in names if name in _ALL)


def _operate(node: _Node, operator: str, value: Setting) -> None:
    if operator == ASSIGN:
        node.value = list(value) if isinstance(value, list) else value
        return
    have = node.value if isinstance(node.value, list) else [] if node.value is None else [node.value]
    change = value if isinstance(value, list) else [value]
    if operator == APPEND:
        node.value = [*have, *(one for one in change if one not in have)]
    else:
        node.value = [one for one in have if one not in change]


def _written(node: _Node) -> Value:
    written: Value = {}
    for name, child in node.children.items():
        if child.children:
            below = _written(child)
            if below:
                written[name] = below
        elif child.value is not None:
            written[name] = child.value
    return written
