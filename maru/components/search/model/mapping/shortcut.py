"""The short way of a document into its columns: its bytes are decoded by a struct made for the mapping.

It takes documents all of whose fields are known and hold plain values; whatever else comes (new fields, nulls,
nested objects, values to coerce, errors) is left to the parser, which gives the same columns for what both take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from maru.components.search.model.analysis.spacing import spaced
from maru.components.search.model.mapping.columns import FIELDS, ID, LOCATION, ROUTING, SEQ
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.mapping import Mapping, Node
from maru.components.search.model.mapping.values import BOUNDS
from maru.wire.elastic.dates import DEFAULT, to_millis
from maru.wire.elastic.json import Json, Object

LEAVES_MAX = 200
_MILLIS = range(10**9, 253402300800000)  # fewer digits are a year, more are past the year 9999
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z")
_LARGEST = {"float": 3.4028235e38, "double": 1.7976931348623157e308}

FLATTENED = ("flattened", "flat_object")

Change = Callable[[Json], Json]


class Flat(msgspec.Struct, gc=False):
    """A document as columns: those of its own here, those of its fields in a subclass made for the mapping."""

    id: str | UnsetType = msgspec.field(default=UNSET, name=ID)
    seq: int | UnsetType = msgspec.field(default=UNSET, name=SEQ)
    location: int | UnsetType = msgspec.field(default=UNSET, name=LOCATION)
    routing: str | UnsetType = msgspec.field(default=UNSET, name=ROUTING)
    fields: list[str] | UnsetType = msgspec.field(default=UNSET, name=FIELDS)

    added: ClassVar[Object] = {}

    def texts(self, doc_id: str, seq: int, location: int, routing: str) -> tuple[str, ...]:
        """As `Parsed.texts`."""
        self.id, self.seq, self.location = doc_id, seq, location
        if routing:
            self.routing = routing
        return (_encode(self).decode(),)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One column. path: of attributes to the value. note: what FIELDS says of one that is there.

    above: letters from which on a keyword is left out, and `_ignored` noted; 0 for none.
    """

    path: str
    column: str
    change: Change | None = None
    note: str = ""
    above: int = 0
    field: str = ""


class Shortcut:
    """Made for one mapping. needs: names that a document must have."""

    def __init__(self, mapping: Mapping, needs: Sequence[str] = ()) -> None:
        self._leaves: list[_Leaf] = []
        shape = self._shape(mapping.root, "", needs) if mapping.root.is_enabled else None
        self.is_open = shape is not None and len(self._leaves) > 1
        if not self.is_open:
            return
        self._decode = msgspec.json.Decoder(shape).decode
        self._values = attrgetter(*(leaf.path for leaf in self._leaves))
        self._changes = [(at, leaf.change) for at, leaf in enumerate(self._leaves) if leaf.change is not None]
        self._notes = [(at, leaf.note) for at, leaf in enumerate(self._leaves) if leaf.note]
        self._limits = [
            (at, leaf.above, f"_ignored:{leaf.field}") for at, leaf in enumerate(self._leaves) if leaf.above
        ]
        names = {f"c{at}": leaf.column for at, leaf in enumerate(self._leaves)}
        members = [(name, Json, UNSET) for name in names]
        self._flat: Json = msgspec.defstruct("Columns", members, bases=(Flat,), rename=names, gc=False)

    def read(self, source: bytes) -> Flat | None:
        """The document's columns; None where it is not one of these."""
        try:
            values = list(self._values(self._decode(source)))
            for at, change in self._changes:
                if values[at] is not UNSET:
                    values[at] = change(values[at])
        except (msgspec.DecodeError, ValueError, TypeError, OverflowError):
            return None  # the parser says why
        notes = [note for at, note in self._notes if values[at] is not UNSET]
        for at, above, note in self._limits:
            if values[at] is not UNSET and len(values[at]) > above:
                values[at] = UNSET
                notes.append(note)
        flat: Flat = self._flat(UNSET, UNSET, UNSET, UNSET, notes or UNSET, *values)
        return flat

    def _shape(self, node: Node, prefix: str, needs: Sequence[str] = ()) -> type[msgspec.Struct] | None:
        """The struct of one object, its leaves noted; None for too many."""
        members: list[tuple[str, Json, Json]] = []
        required: list[tuple[str, Json]] = []
        names: dict[str, str] = {}
        for name, child in node.children.items():
            attribute = f"a{len(names)}"
            if isinstance(child, Field):
                kind = self._take(child, prefix + attribute)
                if kind is None:
                    continue
                if name in needs:
                    required.append((attribute, kind))
                else:
                    members.append((attribute, kind | UnsetType, UNSET))
            elif child.is_enabled and not child.nested:
                inner = self._shape(child, f"{prefix}{attribute}.")
                if inner is None:
                    return None
                members.append((attribute, inner, inner()))
            else:
                continue
            names[attribute] = name
        if len(self._leaves) > LEAVES_MAX or len(required) < len(needs):
            return None
        return msgspec.defstruct(
            "Object", [*required, *members], rename=names, forbid_unknown_fields=True, frozen=True, gc=False
        )

    def _take(self, field: Field, path: str) -> Json:
        """Note where the field's values go; the type they are to have, None where it is not plain."""
        if field.kind in FLATTENED:
            self._leaves += [
                _Leaf(path, column.name, change) for column, change in zip(field.columns, _PARTS, strict=True)
            ]
            return dict[str, str]
        own = _leaf(field, path)
        children = [_leaf(child, path) for child in field.multi]
        if own is None or field.copy_to or field.null_value is not None:
            return None
        found = [own, *(child for child in children if child is not None)]
        if len(found) <= len(children) or (children and not (field.is_text or field.kind == "keyword")):
            return None
        self._leaves += found
        return _type(field) if not children else str


def _values(value: dict[str, str]) -> Json:
    return list(value.values()) or UNSET


def _keyed(value: dict[str, str]) -> Json:
    return [f"{name}\0{one}" for name, one in value.items()] or UNSET


_PARTS = (_values, _keyed)  # of a flattened field: as `parsing` puts them


def _leaf(field: Field, path: str) -> _Leaf | None:
    if field.is_text:
        is_plain = field.analyzer is not None and field.analyzer.is_standard
        return _Leaf(path, field.column, spaced, field.path) if is_plain else None
    if field.kind == "keyword":
        above = int(field.params.get("ignore_above", 0))
        is_plain = field.normalizer is None and (above > 0 or "ignore_above" not in field.params)
        return _Leaf(path, field.column, None, "", above, field.path) if is_plain else None
    if family_of(field.kind) == "date":
        is_default = field.kind == "date" and field.format.spelled == DEFAULT
        return _Leaf(path, field.column, _moment(field) if is_default else field.scalar)
    if field.kind in BOUNDS or field.kind in _LARGEST:
        return _Leaf(path, field.column)
    is_simple = family_of(field.kind) in ("whole", "decimal", "boolean", "ip", "unsigned")
    return _Leaf(path, field.column, field.scalar) if is_simple else None


def _type(field: Field) -> Json:
    if field.is_text or (field.kind == "keyword" and "ignore_above" in field.params):
        return str
    if field.kind == "keyword":
        return str | Annotated[list[str], msgspec.Meta(min_length=1)]
    if field.kind in BOUNDS:
        bits = BOUNDS[field.kind]
        return Annotated[int, msgspec.Meta(ge=-(1 << bits - 1), le=(1 << bits - 1) - 1)]
    if field.kind in _LARGEST:
        return Annotated[float, msgspec.Meta(ge=-_LARGEST[field.kind], le=_LARGEST[field.kind])]
    return str | int | float | bool


def _moment(field: Field) -> Change:
    def change(value: str | float | bool) -> Json:
        if value.__class__ is int and value in _MILLIS:
            return value
        if isinstance(value, str) and _UTC.fullmatch(value):
            return to_millis(datetime.fromisoformat(value))
        return field.scalar(value)

    return change


_encode = msgspec.json.Encoder().encode
