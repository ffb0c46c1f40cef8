"""Values that JSON has no form for, and the equality and order of all values.

null, bool, int, double, string, bytes, list and map are Python's own. Source: cel-spec,
doc/langdef.md, "Values", "Equality", "Ordering".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from maru.wire.cel.errors import EvaluationError

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
UINT_MAX = 2**64 - 1
NANO = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UInt(int):
    """An unsigned number of 64 bits."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """nanos: since 1970 in UTC."""

    nanos: int

    def at(self, zone: object = UTC) -> datetime:
        """As a date and time in `zone` (a tzinfo), to the microsecond."""
        moment = _EPOCH + timedelta(microseconds=self.nanos // 1000)
        return moment.astimezone(zone)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """nanos: may be negative."""

    nanos: int


@dataclass(frozen=True, slots=True)
class TypeValue:
    """What type() answers."""

    name: str


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be missing."""

    has_value: bool
    value: object = None


NONE = Optional(False)


class SetList(list[object]):
    """A list of type set: equal whatever the order."""

    __slots__ = ()


class MapList(list[object]):
    """A list of type map: equal whatever the order; merged by `keys`."""

    __slots__ = ("keys",)

    def __init__(self, items: Sequence[object], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys


class Opaque:
    """Base of values of extension libraries; `type_name` is what type() answers."""

    type_name = "opaque"

    def field(self, name: str) -> object:
        """What stands in one of its fields. Raises EvaluationError."""
        raise no_overload()


def kind_of(value: object) -> str:
    """The name of a value's type, as messages and type() spell it."""
    if value is None:
        return "null_type"
    if isinstance(value, bool):
        return "bool"
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    if isinstance(value, Opaque):
        return value.type_name
    return "dyn"


_KINDS: Sequence[tuple[type, str]] = (
    (str, "string"),
    (UInt, "uint"),
    (int, "int"),
    (float, "double"),
    (bytes, "bytes"),
    (list, "list"),
    (dict, "map"),
    (Timestamp, "google.protobuf.Timestamp"),
    (Duration, "google.protobuf.Duration"),
    (TypeValue, "type"),
    (Optional, "optional_type"),
)


def is_number(value: object) -> bool:
    """Whether it is an int, uint or double."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(left: object, right: object) -> bool:
    """Deep equality; numbers are equal across types, values of different types are not."""
    if isinstance(left, str) or left is None or isinstance(left, bool):
        return type(left) is type(right) and left == right
    if is_number(left):
        return is_number(right) and left == right
    if isinstance(left, (list, tuple)):
        if not isinstance(right, (list, tuple)) or len(left) != len(right):
            return False
        if isinstance(left, (SetList, MapList)):
            return all(contains(right, one) for one in left)
        return all(equal(one, other) for one, other in zip(left, right, strict=True))
    if isinstance(left, Mapping):
        if not isinstance(right, Mapping) or len(left) != len(right):
            return False
        return all(key in right and equal(value, right[key]) for key, value in left.items())
    if isinstance(left, Optional):
        if not isinstance(right, Optional) or left.has_value != right.has_value:
            return False
        return not left.has_value or equal(left.value, right.value)
    return type(left) is type(right) and left == right


def contains(items: Sequence[object], wanted: object) -> bool:
    """Whether an equal value is among `items`."""
    return any(equal(one, wanted) for one in items)


def compare(left: object, right: object) -> int:
    """-1, 0 or 1. Raises EvaluationError for values that have no order between them."""
    if (is_number(left) and is_number(right)) or (type(left) is type(right) and isinstance(left, _ORDERED)):
        if left == right:
            return 0
        return -1 if left < right else 1  # type: ignore[operator]
    if isinstance(left, Opaque) and type(left) is type(right) and hasattr(left, "__lt__"):
        return 0 if left == right else -1 if left < right else 1
    raise no_overload()


_ORDERED = (str, bytes, bool, Timestamp, Duration)


def no_overload() -> EvaluationError:
    """For arguments that a function does not take."""
    return EvaluationError("no such overload")


def whole(value: int, kind: str = "int") -> int:
    """`value` if it fits its type. Raises EvaluationError."""
    if kind == "uint":
        if 0 <= value <= UINT_MAX:
            return UInt(value)
        raise EvaluationError("unsigned integer overflow")
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("integer overflow")


def key_of(value: object) -> object:
    """A value as a map's key."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
