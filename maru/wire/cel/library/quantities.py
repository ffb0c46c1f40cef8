"""quantity and semver.

Source: Kubernetes docs, "Common Expression Language in Kubernetes", Quantity and Semver libraries;
k8s.io/apimachinery/pkg/api/resource; semver.org 2.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.functions import READING_COST, Entry, function, method
from maru.wire.cel.values import INT_MAX, INT_MIN, Opaque

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)")
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*))*))?"
    r"(?:\+([\da-zA-Z-]+(?:\.[\da-zA-Z-]+)*))?"
)
_LENGTH_MAX = 256


@dataclass(frozen=True, slots=True, order=True)
class Quantity(Opaque):
    """amount: exact."""

    type_name = "kubernetes.Quantity"
    amount: Fraction


@dataclass(frozen=True, slots=True, order=True)
class Semver(Opaque):
    """before: the pre-release's parts in their order; a release comes after all of them."""

    type_name = "kubernetes.Semver"
    numbers: tuple[int, int, int]
    before: tuple[tuple[int, int, str], ...]


def entries() -> Iterable[Entry]:
    """All of them."""
    kind = "kubernetes.Quantity"
    yield function("quantity", "string", kind, _quantity)
    yield function("isQuantity", "string", "bool", lambda text: _read(text) is not None, cost=READING_COST)
    yield method("sign", kind, "int", lambda one: (one.amount > 0) - (one.amount < 0))
    yield method(
        "isInteger", kind, "bool", lambda one: one.amount.denominator == 1 and INT_MIN <= one.amount <= INT_MAX
    )
    yield method("asInteger", kind, "int", _as_integer)
    yield method("asApproximateFloat", kind, "double", lambda one: float(one.amount))
    yield method("add", f"{kind},{kind}", kind, lambda one, other: Quantity(one.amount + other.amount))
    yield method("add", f"{kind},int", kind, lambda one, other: Quantity(one.amount + other))
    yield method("sub", f"{kind},{kind}", kind, lambda one, other: Quantity(one.amount - other.amount))
    yield method("sub", f"{kind},int", kind, lambda one, other: Quantity(one.amount - other))
    yield from _comparisons(kind)
    kind = "kubernetes.Semver"
    yield function("semver", "string", kind, lambda text: _semver(text, False))
    yield function("semver", "string,bool", kind, _semver)
    yield function("isSemver", "string", "bool", lambda text: _is_semver(text, False), cost=READING_COST)
    yield function("isSemver", "string,bool", "bool", _is_semver, cost=READING_COST)
    for place, name in enumerate(("major", "minor", "patch")):
        yield method(name, kind, "int", lambda one, place=place: one.numbers[place])
    yield from _comparisons(kind)


def _comparisons(kind: str) -> Iterable[Entry]:
    yield method("isLessThan", f"{kind},{kind}", "bool", lambda one, other: one < other)
    yield method("isGreaterThan", f"{kind},{kind}", "bool", lambda one, other: one > other)
    yield method("compareTo", f"{kind},{kind}", "int", lambda one, other: (one > other) - (one < other))


def _read(text: str) -> Quantity | None:
    match = _QUANTITY.fullmatch(text) if len(text) <= _LENGTH_MAX else None
    if match is None:
        return None
    amount = Fraction(match[1].rstrip(".") if match[1].endswith(".") else match[1])
    suffix = match[3] or ""
    if match[2]:
        return Quantity(amount * Fraction(10) ** int(match[2]))
    if suffix in _BINARY:
        return Quantity(amount * 1024 ** (_BINARY.index(suffix) + 1))
    return Quantity(amount * Fraction(10) ** _SUFFIXES[suffix])


def _quantity(text: str) -> Quantity:
    found = _read(text)
    if found is None:
        raise EvaluationError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    return found


def _as_integer(one: Quantity) -> int:
    if one.amount.denominator != 1 or not INT_MIN <= one.amount <= INT_MAX:
        raise EvaluationError("cannot convert value to integer")
    return int(one.amount)


def _semver(text: str, is_loose: bool) -> Semver:
    match = _SEMVER.fullmatch(_normalized(text) if is_loose else text) if len(text) <= _LENGTH_MAX else None
    if match is None:
        raise EvaluationError(f'semver parse error: "{text}"')
    parts = match[4].split(".") if match[4] else []
    before = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in parts)
    return Semver((int(match[1]), int(match[2]), int(match[3])), before or ((2, 0, ""),))


def _normalized(text: str) -> str:
    body = text[1:] if text[:1] in ("v", "V") else text
    place = next((index for index, letter in enumerate(body) if letter in "-+"), len(body))
    numbers = [one.lstrip("0") or "0" if one.isdigit() else one for one in body[:place].split(".")]
    return ".".join(numbers + ["0"] * (3 - len(numbers))) + body[place:]


def _is_semver(text: str, is_loose: bool) -> bool:
    try:
        _semver(text, is_loose)
    except EvaluationError:
        return False
    return True
