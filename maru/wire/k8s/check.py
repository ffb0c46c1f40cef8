"""Type checking as the real server's decoder does it: wrong types, unknown fields, nulls.

A value is first looked at by one compiled closure per type that only says "clean"; the slow walk
that names fields runs only when it is not. Built-in kinds go through `check`; custom resources,
whose type errors are validation errors, through `prune`.
Source: Kubernetes API concepts, "Field validation"; messages as encoding/json and sigs.k8s.io/json word them.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import Any

from maru.wire.k8s.errors import Malformed
from maru.wire.k8s.schema import TypeNode

QUANTITY = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)
UNKNOWN_MAX = 100  # unknown fields named in one answer

_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII)
_MICRO_TIME = re.compile(_TIME.pattern[:-1] + r"\.\d{6}Z", re.ASCII)
_ANY_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?P<fraction>\.\d+)?(?:Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)
_INT_MAX = {"int32": 2**31, "int64": 2**63}
_GO_NUMBER = {"": "int64", "int32": "int32", "int64": "int64", "double": "float64", "float": "float32"}
_DECIMAL_SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_GO_NAMES = {
    "string": "string",
    "boolean": "bool",
    "bytes": "[]uint8",
    "time": "v1.Time",
    "micro_time": "v1.MicroTime",
    "quantity": "resource.Quantity",
    "int_or_string": "intstr.IntOrString",
}
_ZEROES: dict[str, Any] = {"string": "", "boolean": False, "integer": 0, "number": 0, "bytes": "", "quantity": "0"}

_Clean = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Checked:
    """value: pruned, nulls dropped (the given one if it was clean). unknown: `unknown field "spec.foo"`."""

    value: Any
    unknown: tuple[str, ...] = ()


def check(node: TypeNode, value: Any) -> Checked:
    """Check `value` against its type and drop what the type does not know.

    Raises Malformed with the decoder's message (`json: cannot unmarshal string into Go struct field
    DeploymentSpec.spec.replicas of type int32`). `value` is left alone.
    """
    if _clean_of(node)(value):
        return Checked(value)
    walk = _Walk()
    return Checked(walk.read(node, value, _Place()), tuple(walk.unknown))


def prune(node: TypeNode, value: Any) -> Checked:
    """Drop fields a structural schema does not know, without looking at types; `value` is left alone."""
    walk = _Walk()
    return Checked(walk.prune(node, value, ""), tuple(walk.unknown))


def cannot_be_handled(kind: str, version: str, error: Malformed) -> str:
    """The message of the 400 answer to a body that does not fit its kind."""
    return f'{kind} in version "{version}" cannot be handled as a {kind}: {error.message}'


@dataclass(frozen=True, slots=True)
class _Place:
    """struct: the innermost Go struct. go: dotted path without indices. json: path with indices."""

    struct: str = ""
    go: str = ""
    json: str = ""

    def into(self, struct: str, key: str) -> _Place:
        return _Place(struct, f"{self.go}.{key}" if self.go else key, f"{self.json}.{key}" if self.json else key)


@dataclass(slots=True)
class _Walk:
    unknown: list[str] = field(default_factory=list)

    def read(self, node: TypeNode, value: Any, place: _Place) -> Any:
        kind = node.kind
        if kind == "object":
            return self._object(node, value, place)
        if kind == "map":
            return self._map(node, value, place)
        if kind == "list":
            return self._list(node, value, place)
        if kind == "any" or _clean_of(node)(value):
            return value
        return _mend(node, value, place)

    def _object(self, node: TypeNode, value: Any, place: _Place) -> Any:
        if type(value) is not dict:
            raise _wrong(node, value, place)
        fields, struct, read = node.fields, node.name.rpartition(".")[2], {}
        for key, item in value.items():
            child = fields.get(key)
            if child is None:
                if node.preserve:
                    read[key] = item
                else:
                    self._note(f"{place.json}.{key}" if place.json else key)
            elif item is not None:
                read[key] = self.read(child, item, place.into(struct, key))
        return read

    def _map(self, node: TypeNode, value: Any, place: _Place) -> Any:
        if type(value) is not dict:
            raise _wrong(node, value, place)
        items = node.items
        assert items is not None
        return {
            key: _zero(items)
            if item is None
            else self.read(items, item, _Place(place.struct, place.go, f"{place.json}.{key}"))
            for key, item in value.items()
        }

    def _list(self, node: TypeNode, value: Any, place: _Place) -> Any:
        if type(value) is not list:
            raise _wrong(node, value, place)
        items = node.items
        assert items is not None
        return [
            _zero(items)
            if item is None
            else self.read(items, item, _Place(place.struct, place.go, f"{place.json}[{index}]"))
            for index, item in enumerate(value)
        ]

    def _note(self, path: str) -> None:
        if len(self.unknown) < UNKNOWN_MAX:
            self.unknown.append(f'unknown field "{path}"')

    def prune(self, node: TypeNode, value: Any, path: str) -> Any:
        if type(value) is dict and node.kind in ("object", "map"):
            fields, items, kept = node.fields, node.items, {}
            for key, item in value.items():
                child = fields.get(key) or items
                below = f"{path}.{key}" if path else key
                if child is not None:
                    kept[key] = self.prune(child, item, below)
                elif node.preserve:
                    kept[key] = item
                else:
                    self._note(below)
            return kept
        if type(value) is list and node.kind == "list" and node.items is not None:
            return [self.prune(node.items, item, f"{path}[{index}]") for index, item in enumerate(value)]
        return value


def _zero(node: TypeNode) -> Any:
    """What Go's decoder leaves for a null in a map or list."""
    if node.kind == "object":
        return {}
    return _ZEROES.get(node.kind)


def _mend(node: TypeNode, value: Any, place: _Place) -> Any:
    """A scalar that is not in its plain form: rewritten if the real decoder reads it, else Malformed."""
    kind = node.kind
    if kind in ("time", "micro_time") and type(value) is str:
        return _read_time(value, micro=kind == "micro_time")
    if kind == "bytes" and type(value) is str:
        plain = value.replace("\r", "").replace("\n", "")
        if _BASE64.fullmatch(plain):
            return plain
        raise Malformed(f"illegal base64 data at input byte {_bad_byte(value)}")
    if kind == "quantity" and type(value) in (int, float):
        return _number_quantity(value)
    if kind == "quantity" and type(value) is str:
        raise Malformed(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            if value
            else "unable to parse quantity's suffix"
        )
    raise _wrong(node, value, place)


def _number_quantity(number: float) -> str:
    """A number given for a quantity, in canonical form: 1 is "1", 0.5 is "500m", 2000 is "2k"."""
    nanos = int((Decimal(str(number)) * 10**9).to_integral_value(ROUND_UP))
    if nanos == 0:
        return "0"
    step = 0
    while nanos % 1000 == 0 and step < len(_DECIMAL_SUFFIXES) - 1:
        nanos //= 1000
        step += 1
    return f"{nanos}{_DECIMAL_SUFFIXES[step]}"


def _read_time(text: str, *, micro: bool) -> str:
    found = _ANY_TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        shape = "2006-01-02T15:04:05.000000Z07:00" if micro else "2006-01-02T15:04:05Z07:00"
        raise Malformed(f'parsing time "{text}" as "{shape}": cannot parse "{text}" as "2006"') from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _bad_byte(text: str) -> int:
    for index, letter in enumerate(text):
        if not (letter.isascii() and (letter.isalnum() or letter in "+/=\r\n")):
            return index
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return len(text) - len(text) % 4
    return len(text)


def _wrong(node: TypeNode, value: Any, place: _Place) -> Malformed:
    given = {str: "string", bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
    if given == "number" and node.kind == "integer":
        given = f"number {value}"
    into = f"Go struct field {place.struct}.{place.go}" if place.go else "Go value"
    return Malformed(f"json: cannot unmarshal {given} into {into} of type {_go_name(node)}")


def _go_name(node: TypeNode) -> str:
    if node.kind == "object":
        package, _, name = node.name.rpartition(".")
        return f"{package.rpartition('.')[2]}.{name}"
    if node.kind in ("integer", "number"):
        return _GO_NUMBER.get(node.format, "int64")
    if node.kind in ("list", "map"):
        inner = _go_name(node.items) if node.items is not None else "interface {}"
        return f"[]{inner}" if node.kind == "list" else f"map[string]{inner}"
    return _GO_NAMES.get(node.kind, "interface {}")


def _clean_of(node: TypeNode) -> _Clean:
    """The compiled closure of a type, kept on its node."""
    clean = node.clean
    if clean is None:
        clean = node.clean = _compile(node)
    return clean


def _compile(node: TypeNode) -> _Clean:
    kind = node.kind
    if kind == "object":
        return _clean_object(node)
    if kind in ("map", "list"):
        return _clean_items(node)
    if kind == "integer":
        limit = _INT_MAX.get(node.format, 2**63)
        return lambda value: type(value) is int and -limit <= value < limit
    if kind in ("time", "micro_time", "bytes"):
        match = {"time": _TIME, "micro_time": _MICRO_TIME, "bytes": _BASE64}[kind].fullmatch
        return lambda value: type(value) is str and match(value) is not None
    return _SCALARS[kind]


def _is_quantity(value: Any) -> bool:
    return type(value) is str and QUANTITY.fullmatch(value) is not None


_SCALARS: dict[str, _Clean] = {
    "any": lambda value: value is not None,
    "boolean": lambda value: value is True or value is False,
    "duration": lambda value: type(value) is str,
    "int_or_string": lambda value: type(value) is str or (type(value) is int and -(2**31) <= value < 2**31),
    "number": lambda value: type(value) is float or type(value) is int,
    "quantity": _is_quantity,
    "string": lambda value: type(value) is str,
}


def _clean_object(node: TypeNode) -> _Clean:
    known: dict[str, _Clean] = {}  # grows to the fields of the type that were seen
    preserve = node.preserve

    def clean(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for key, item in value.items():
            field_clean = known.get(key)
            if field_clean is None:
                child = node.fields.get(key)
                if child is None:
                    if preserve:
                        continue
                    return False
                field_clean = known[key] = _clean_of(child)
            if not field_clean(item):
                return False
        return True

    return clean


def _clean_items(node: TypeNode) -> _Clean:
    items = node.items
    assert items is not None
    if items.kind == "string":
        if node.kind == "map":
            return lambda value: type(value) is dict and all(type(item) is str for item in value.values())
        return lambda value: type(value) is list and all(type(item) is str for item in value)
    inner: list[_Clean] = []  # filled on first use: a type may hold itself
    is_map = node.kind == "map"

    def clean(value: Any) -> bool:
        if type(value) is not (dict if is_map else list):
            return False
        if not inner:
            inner.append(_clean_of(items))
        item_clean = inner[0]
        items_given = value.values() if isinstance(value, dict) else value
        return all(map(item_clean, items_given))

    return clean
