"""From a checked tree to closures: each takes a frame, spends from its budget and answers a value.

&&, ||, all and exists absorb errors as the language says: one side that decides is enough.
Source: cel-spec, doc/langdef.md, "Evaluation", "Logical Operators", "Macros".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from maru.wire.cel.arithmetic import BINARY, index, opposite, shown_key
from maru.wire.cel.checker import TYPE_NAMES, Checked
from maru.wire.cel.errors import EvaluationError, OutOfBudget
from maru.wire.cel.functions import READING_COST, Overload, accepts
from maru.wire.cel.syntax import Call, ListNode, Literal, Macro, Name, Node, Select, StructNode
from maru.wire.cel.values import NONE, Duration, Opaque, Optional, Timestamp, TypeValue, key_of, no_overload

CHARACTERS_PER_COST = 10
_ESCAPED = re.compile(r"__(underscores|dot|dash|slash|[a-z]+)__")
_LETTERS = {"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}
_KEYWORDS = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


class Frame:
    """One evaluation. values: variables by name. left: what may still be spent."""

    __slots__ = ("left", "values")

    def __init__(self, values: dict[str, object], left: int) -> None:
        self.values = values
        self.left = left

    def spend(self, cost: int) -> None:
        """Raises OutOfBudget when nothing is left."""
        self.left -= cost
        if self.left < 0:
            raise OutOfBudget


Closure = Callable[[Frame], object]


def property_name(name: str) -> str:
    """The property behind an escaped name: foo__dot__bar is foo.bar, __namespace__ is namespace."""

    def replace(match: re.Match[str]) -> str:
        word = match[1]
        if word in _LETTERS:
            return _LETTERS[word]
        return word if word in _KEYWORDS and match[0] == name else match[0]

    return _ESCAPED.sub(replace, name) if "__" in name else name


def compiled(checked: Checked) -> Closure:
    """The closure of a whole expression."""
    return _Compiler(checked).closure(checked.node)


class _Compiler:
    def __init__(self, checked: Checked) -> None:
        self._types = checked.types
        self._overloads = checked.overloads

    def closure(self, node: Node) -> Closure:
        if isinstance(node, Literal):
            value = node.value
            return lambda frame: value
        if isinstance(node, Name):
            return _name(node.name)
        if isinstance(node, Select):
            return self._select(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Macro):
            return self._macro(node)
        if isinstance(node, StructNode):
            return _struct([(property_name(name), self.closure(one), flag) for name, one, flag in node.fields])
        if isinstance(node, ListNode):
            return _list([self.closure(one) for one in node.items], node.optional)
        return _map([(self.closure(key), self.closure(value), flag) for key, value, flag in node.entries])

    def _select(self, node: Select) -> Closure:
        operand = self.closure(node.operand)
        kind = self._types[id(node.operand)]
        if kind.kind == "optional_type":
            kind = kind.parameters[0]
        field = property_name(node.field) if kind.kind == "object" else node.field
        if node.is_test:
            return _test(operand, field)
        if node.is_optional:
            return _optional_field(operand, field)
        return _field(operand, field)

    def _call(self, node: Call) -> Closure:
        overloads = self._overloads.get(id(node))
        if overloads is None:
            return self._operator(node)
        operands = [self.closure(one) for one in node.arguments]
        if node.target is not None and overloads[0].is_method:
            operands.insert(0, self.closure(node.target))
        return _apply(overloads, operands)

    def _operator(self, node: Call) -> Closure:
        operands = [self.closure(one) for one in node.arguments]
        name = node.function
        if name in ("_&&_", "_||_"):
            return _logic(operands[0], operands[1], decides=name == "_||_")
        if name == "_?_:_":
            return _choice(*operands)
        if name == "!_":
            return _not(operands[0])
        if name == "-_":
            one = operands[0]
            return lambda frame: opposite(one(frame))
        if name == "_[?_]":
            return _optional_index(operands[0], operands[1])
        if name == "_[_]":
            return _index(operands[0], operands[1])
        return _binary(BINARY[name], operands[0], operands[1])

    def _macro(self, node: Macro) -> Closure:
        target = self.closure(node.target)
        arguments = [self.closure(one) for one in node.arguments]
        if node.name == "bind":
            return _bind(target, node.variables[0], arguments[0])
        if node.name in ("optMap", "optFlatMap"):
            return _opt_map(target, node.variables[0], arguments[0], is_flat=node.name == "optFlatMap")
        walk = _Walk(target, node.variables)
        if node.name in ("all", "exists"):
            return _quantified(walk, arguments[0], decides=node.name == "exists")
        if node.name in ("exists_one", "existsOne"):
            return lambda frame: sum(_truth(arguments[0](frame)) for _ in walk.steps(frame)) == 1
        if node.name == "filter":
            return lambda frame: [one for _, _, one in walk.steps(frame) if _truth(arguments[0](frame))]
        keep = arguments[0] if len(arguments) == 2 else None
        make = arguments[-1]
        if node.name == "transformMap":
            return lambda frame: {
                key: make(frame) for key, _, _ in walk.steps(frame) if keep is None or _truth(keep(frame))
            }
        return lambda frame: [make(frame) for _ in walk.steps(frame) if keep is None or _truth(keep(frame))]


class _Walk:
    """The iterations of a macro: its variables are set before each step and put back at the end."""

    def __init__(self, target: Closure, variables: Sequence[str]) -> None:
        self._target = target
        self._variables = variables

    def steps(self, frame: Frame) -> Iterator[tuple[object, object, object]]:
        """(key, value, what the last variable holds) of each."""
        holder = self._target(frame)
        values = frame.values
        kept = {name: values[name] for name in self._variables if name in values}
        is_map = isinstance(holder, dict)
        if isinstance(holder, dict):
            pairs: Iterator[tuple[object, object]] = iter(holder.items())
        elif isinstance(holder, (list, tuple)):
            pairs = enumerate(holder)
        else:
            raise no_overload()
        try:
            for key, value in pairs:
                frame.spend(1)
                shown = value
                if len(self._variables) == 2:
                    values[self._variables[0]] = key
                elif is_map:
                    shown = key
                values[self._variables[-1]] = shown
                yield key, value, shown
        finally:
            for name in self._variables:
                values.pop(name, None)
            values.update(kept)


def _name(name: str) -> Closure:
    if name in TYPE_NAMES:

        def either(frame: Frame) -> object:
            return frame.values[name] if name in frame.values else TypeValue(name)

        return either

    def closure(frame: Frame) -> object:
        frame.spend(1)
        try:
            value = frame.values[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None
        return value() if isinstance(value, Late) else value

    return closure


class Late:
    """A variable that is worked out when it is first used. Its failure is the user's failure each time."""

    __slots__ = ("_is_known", "_make", "_value")

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._is_known = False
        self._value: object = None

    def __call__(self) -> object:
        if not self._is_known:
            self._value = self._make()
            self._is_known = True
        return self._value


def _field(operand: Closure, field: str) -> Closure:
    def closure(frame: Frame) -> object:
        frame.spend(1)
        holder = operand(frame)
        if isinstance(holder, dict):
            try:
                value = holder[field]
            except KeyError:
                raise EvaluationError(f"no such key: {field}") from None
            return value() if isinstance(value, Late) else value
        if isinstance(holder, Optional):
            return _inside(holder, field)
        if isinstance(holder, Opaque):
            return holder.field(field)
        raise no_overload()

    return closure


def _inside(holder: Optional, field: str) -> Optional:
    if holder.has_value and isinstance(holder.value, dict) and field in holder.value:
        return Optional(True, holder.value[field])
    return NONE


def _optional_field(operand: Closure, field: str) -> Closure:
    def closure(frame: Frame) -> object:
        frame.spend(1)
        holder = operand(frame)
        return _inside(holder if isinstance(holder, Optional) else Optional(True, holder), field)

    return closure


def _test(operand: Closure, field: str) -> Closure:
    def closure(frame: Frame) -> object:
        frame.spend(1)
        holder = operand(frame)
        if isinstance(holder, Optional):
            return _inside(holder, field).has_value
        if isinstance(holder, dict):
            return field in holder
        raise no_overload()

    return closure


def _index(operand: Closure, key: Closure) -> Closure:
    def closure(frame: Frame) -> object:
        frame.spend(1)
        holder = operand(frame)
        if isinstance(holder, Optional):
            return _found(holder, key(frame))
        return index(holder, key(frame))

    return closure


def _optional_index(operand: Closure, key: Closure) -> Closure:
    def closure(frame: Frame) -> object:
        frame.spend(1)
        holder = operand(frame)
        return _found(holder if isinstance(holder, Optional) else Optional(True, holder), key(frame))

    return closure


def _found(holder: Optional, key: object) -> Optional:
    if not holder.has_value:
        return NONE
    try:
        return Optional(True, index(holder.value, key))
    except EvaluationError:
        return NONE


def _logic(left: Closure, right: Closure, *, decides: bool) -> Closure:
    """decides: the value that settles it (true for ||)."""

    def closure(frame: Frame) -> object:
        frame.spend(1)
        try:
            if _truth(left(frame)) is decides:
                return decides
        except EvaluationError:
            if _truth(right(frame)) is decides:
                return decides
            raise
        return _truth(right(frame))

    return closure


def _quantified(walk: _Walk, test: Closure, *, decides: bool) -> Closure:
    def closure(frame: Frame) -> object:
        failure: EvaluationError | None = None
        for _ in walk.steps(frame):
            try:
                if _truth(test(frame)) is decides:
                    return decides
            except EvaluationError as error:
                failure = error
        if failure is not None:
            raise failure
        return not decides

    return closure


def _truth(value: object) -> bool:
    if value is True or value is False:
        return value
    raise no_overload()


def _not(operand: Closure) -> Closure:
    return lambda frame: not _truth(operand(frame))


def _choice(condition: Closure, left: Closure, right: Closure) -> Closure:
    return lambda frame: left(frame) if _truth(condition(frame)) else right(frame)


def _binary(apply: Callable[[object, object], object], left: Closure, right: Closure) -> Closure:
    def closure(frame: Frame) -> object:
        one, other = left(frame), right(frame)
        frame.spend(1 + _weight(one) + _weight(other))
        return apply(one, other)

    return closure


def _weight(value: object) -> int:
    if isinstance(value, (str, bytes)):
        return len(value) // CHARACTERS_PER_COST
    if isinstance(value, (list, dict)):
        return len(value)
    return READING_COST if isinstance(value, (Opaque, Timestamp, Duration)) else 0


def _apply(overloads: Sequence[Overload], operands: Sequence[Closure]) -> Closure:
    def closure(frame: Frame) -> object:
        values = [one(frame) for one in operands]
        frame.spend(1 + sum(map(_weight, values)))
        for one in overloads:
            if all(map(accepts, one.parameters, values)):
                found = one.apply(*values)
                frame.spend(one.cost + _weight(found))
                return found
        raise no_overload()

    return closure


def _bind(value: Closure, name: str, body: Closure) -> Closure:
    def closure(frame: Frame) -> object:
        return _with(frame, name, value(frame), body)

    return closure


def _opt_map(target: Closure, name: str, body: Closure, *, is_flat: bool) -> Closure:
    def closure(frame: Frame) -> object:
        held = target(frame)
        if not isinstance(held, Optional):
            raise no_overload()
        if not held.has_value:
            return NONE
        found = _with(frame, name, held.value, body)
        return found if is_flat else Optional(True, found)

    return closure


def _with(frame: Frame, name: str, value: object, body: Closure) -> object:
    kept: Mapping[str, object] = {name: frame.values[name]} if name in frame.values else {}
    frame.values[name] = value
    try:
        return body(frame)
    finally:
        del frame.values[name]
        frame.values.update(kept)


def _list(items: Sequence[Closure], optional: frozenset[int]) -> Closure:
    def closure(frame: Frame) -> object:
        frame.spend(1 + len(items))
        found: list[object] = []
        for place, one in enumerate(items):
            value = one(frame)
            if place not in optional:
                found.append(value)
            elif isinstance(value, Optional) and value.has_value:
                found.append(value.value)
        return found

    return closure


def _map(entries: Sequence[tuple[Closure, Closure, bool]]) -> Closure:
    def closure(frame: Frame) -> object:
        frame.spend(1 + len(entries))
        found: dict[object, object] = {}
        for key, make, is_optional in entries:
            value = make(frame)
            if is_optional and isinstance(value, Optional):
                if not value.has_value:
                    continue
                value = value.value
            place = key_of(key(frame))
            if isinstance(place, (list, dict)):
                raise EvaluationError("unsupported key type")
            if place in found:
                raise EvaluationError(f"insert failed: key {shown_key(place)} already exists")
            found[place] = value
        return found

    return closure


def _struct(fields: Sequence[tuple[str, Closure, bool]]) -> Closure:
    def closure(frame: Frame) -> object:
        frame.spend(1 + len(fields))
        found: dict[str, object] = {}
        for name, make, is_optional in fields:
            value = make(frame)
            if is_optional and isinstance(value, Optional):
                if not value.has_value:
                    continue
                value = value.value
            found[name] = value
        return found

    return closure
