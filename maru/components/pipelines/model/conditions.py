"""Conditions, compiled once to closures over an event.

A field alone is true when it is there and not false. Values of different kinds are never ordered; a
number never equals a text. `in` looks into a list, or for a text in a text.
Source: Logstash reference, "Accessing event data and fields" (conditionals).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from maru.components.pipelines.model.event import Event, Leaf
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import (
    Compare,
    Condition,
    Field,
    Join,
    Junction,
    Not,
    Operand,
    Operator,
    Regexp,
)

Test = Callable[[Event], bool]
Reader = Callable[[Event], Leaf]


def compile_condition(condition: Condition) -> Test:
    """Raises Invalid for a pattern that cannot be compiled."""
    match condition:
        case Join(junction, left, right):
            return _joined(junction, compile_condition(left), compile_condition(right))
        case Not(inside):
            denied = compile_condition(inside)
            return lambda event: not denied(event)
        case Compare():
            return _compared(condition)
        case Field(reference):
            return lambda event: event.get(reference) not in (None, False)
        case _:
            constant = _constant(condition) not in (None, False)
            return lambda event: constant


def _joined(junction: Junction, left: Test, right: Test) -> Test:
    match junction:
        case Junction.AND:
            return lambda event: left(event) and right(event)
        case Junction.OR:
            return lambda event: left(event) or right(event)
        case Junction.XOR:
            return lambda event: left(event) != right(event)
        case Junction.NAND:
            return lambda event: not (left(event) and right(event))


def _compared(compare: Compare) -> Test:
    left, right = _reader(compare.left), _reader(compare.right)
    match compare.operator:
        case Operator.EQUAL:
            return lambda event: _same(left(event), right(event))
        case Operator.DIFFERENT:
            return lambda event: not _same(left(event), right(event))
        case Operator.IN:
            return lambda event: _holds(right(event), left(event))
        case Operator.NOT_IN:
            return lambda event: not _holds(right(event), left(event))
        case Operator.MATCHES:
            return _matched(left, compare.right)
        case Operator.MATCHES_NOT:
            matched = _matched(left, compare.right)
            return lambda event: not matched(event)
        case comparison:
            return _ordered(comparison, left, right)


def _ordered(comparison: Operator, left: Reader, right: Reader) -> Test:
    def test(event: Event) -> bool:
        one, other = left(event), right(event)
        if isinstance(one, str) and isinstance(other, str):
            return _stands(comparison, (one > other) - (one < other))
        if _is_number(one) and _is_number(other):
            assert isinstance(one, int | float) and isinstance(other, int | float)
            return _stands(comparison, (one > other) - (one < other))
        if isinstance(one, datetime) and isinstance(other, datetime):
            return _stands(comparison, (one > other) - (one < other))
        return False

    return test


def _stands(comparison: Operator, order: int) -> bool:
    """order: -1, 0 or 1, how the left one stands to the right one."""
    match comparison:
        case Operator.LESS:
            return order < 0
        case Operator.MORE:
            return order > 0
        case Operator.LESS_OR_EQUAL:
            return order <= 0
        case _:
            return order >= 0


def _matched(left: Reader, right: Operand) -> Test:
    source = right.pattern if isinstance(right, Regexp) else str(right)
    try:
        search = re.compile(_python_pattern(source)).search
    except re.error as error:
        raise Invalid(what=f"pattern /{source}/", why=str(error), fix="correct the condition") from error

    def test(event: Event) -> bool:
        value = left(event)
        if isinstance(value, list):
            return any(isinstance(element, str) and search(element) is not None for element in value)
        return isinstance(value, str) and search(value) is not None

    return test


def _python_pattern(source: str) -> str:
    r"""Ruby's `^` and `$` are at every line; \A, \z, \Z and \h are spelled differently."""
    spelled = source.replace(r"\z", r"\Z").replace(r"\h", "[0-9a-fA-F]")
    return f"(?m:{spelled})"


def _reader(operand: Operand) -> Reader:
    if isinstance(operand, Field):
        reference = operand.reference
        return lambda event: event.get(reference)
    if isinstance(operand, tuple) and any(isinstance(element, Field) for element in operand):
        readers = [_reader(element) for element in operand]
        return lambda event: [reader(event) for reader in readers]
    constant = _constant(operand)
    return lambda _: constant


def _constant(operand: object) -> Leaf:
    if isinstance(operand, tuple):
        return [_constant(element) for element in operand]
    return operand.pattern if isinstance(operand, Regexp) else operand


def _same(one: Leaf, other: Leaf) -> bool:
    if _is_number(one) and _is_number(other):
        return one == other
    if isinstance(one, bool) and isinstance(other, str):
        return other == ("true" if one else "false")
    return type(one) is type(other) and one == other


def _is_number(value: Leaf) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _holds(holder: Leaf, value: Leaf) -> bool:
    if isinstance(holder, list):
        return any(_same(element, value) for element in holder)
    if isinstance(holder, dict):
        return isinstance(value, str) and value in holder
    return isinstance(holder, str) and isinstance(value, str) and value in holder
