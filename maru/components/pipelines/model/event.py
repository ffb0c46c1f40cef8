"""An event: fields as JSON has them, its metadata beside them, and the way to name what is inside.

Fields are a plain dict that filters change in place; an event belongs to one pipeline worker at a time.
`@timestamp` is an aware datetime in UTC; `[@metadata]` is never written out.
Source: Logstash reference, "Accessing event data and fields"; the Event API of its Ruby filter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from maru.core.document import Value
from maru.wire.logstash.date_patterns import compile_pattern
from maru.wire.logstash.references import Reference
from maru.wire.logstash.templates import EPOCH, DatePart, FieldPart, Template, compile_template

TIMESTAMP: Final = "@timestamp"
METADATA: Final = "@metadata"
VERSION: Final = "@version"
TAGS: Final = "tags"

Leaf = object
"""A field's value: what JSON has, or a datetime."""


class Event:
    """fields: without metadata. metadata: what `[@metadata][x]` names. is_cancelled: dropped by a filter.

    origin: what the input wants to hear of once the event is safe; None where it wants nothing.
    """

    __slots__ = ("fields", "is_cancelled", "metadata", "origin")

    def __init__(self, fields: Value, metadata: Value | None = None, origin: object = None) -> None:
        self.fields = fields
        self.metadata: Value = metadata if metadata is not None else {}
        self.is_cancelled = False
        self.origin = origin

    def get(self, reference: Reference) -> Leaf:
        """The value there, None where there is none (a null and no field are alike, as in Logstash)."""
        if len(reference) == 1:
            name = reference[0]
            return self.metadata if name == METADATA else self.fields.get(name)
        holder: object = self.metadata if reference[0] == METADATA else self.fields.get(reference[0])
        for name in reference[1:]:
            holder = _inside(holder, name)
            if holder is None:
                return None
        return holder

    def has(self, reference: Reference) -> bool:
        """Whether there is such a field, a null one included."""
        if len(reference) == 1:
            return reference[0] == METADATA or reference[0] in self.fields
        holder = self.get(reference[:-1])
        if isinstance(holder, dict):
            return reference[-1] in holder
        return _inside(holder, reference[-1]) is not None

    def put(self, reference: Reference, value: Leaf) -> None:
        """Set it, making the objects on the way; what stood there and was no object is replaced."""
        if len(reference) == 1:
            if reference[0] == METADATA:
                self.metadata = value if isinstance(value, dict) else {}
            else:
                self.fields[reference[0]] = value
            return
        holder: object = self.metadata if reference[0] == METADATA else self._object(reference[0])
        for name in reference[1:-1]:
            holder = _step_into(holder, name)
        if isinstance(holder, dict):
            holder[reference[-1]] = value
        elif isinstance(holder, list):
            _put_element(holder, reference[-1], value)

    def remove(self, reference: Reference) -> Leaf:
        """Take it away; what it was, None if it was not there."""
        if len(reference) == 1:
            if reference[0] == METADATA:
                removed, self.metadata = self.metadata, {}
                return removed
            return self.fields.pop(reference[0], None)
        holder = self.get(reference[:-1])
        if isinstance(holder, dict):
            return holder.pop(reference[-1], None)
        if isinstance(holder, list):
            index = _index(reference[-1], holder)
            return holder.pop(index) if index is not None else None
        return None

    def tag(self, name: str) -> None:
        """Add a tag once."""
        tags = self.fields.get(TAGS)
        if tags is None:
            self.fields[TAGS] = [name]
        elif isinstance(tags, list):
            if name not in tags:
                tags.append(name)
        elif tags != name:
            self.fields[TAGS] = [tags, name]

    def untag(self, name: str) -> None:
        """Take a tag away; the last one takes the field with it not."""
        tags = self.fields.get(TAGS)
        if isinstance(tags, list) and name in tags:
            self.fields[TAGS] = [tag for tag in tags if tag != name]
        elif tags == name:
            self.fields[TAGS] = []

    @property
    def timestamp(self) -> datetime | None:
        """`@timestamp`, None if a filter took it away."""
        moment = self.fields.get(TIMESTAMP)
        return moment if isinstance(moment, datetime) else None

    def formatted(self, template: Template) -> str:
        """`template` with this event's values in it; what is not there stays as it was written."""
        return "".join([part if isinstance(part, str) else self._formatted_part(part) for part in template.parts])

    def sprintf(self, text: str) -> str:
        """`formatted`, of a text that is compiled once."""
        return self.formatted(compile_template(text)) if "%{" in text else text

    def copy(self) -> Event:
        """Another event with the same fields, nothing shared; it has no origin."""
        return Event(copied(self.fields), copied(self.metadata))

    def to_json(self) -> bytes:
        """The fields as they go out: moments in UTC with milliseconds."""
        return encode_json(self.fields)

    def _object(self, name: str) -> object:
        holder = self.fields.get(name)
        if not isinstance(holder, dict | list):
            holder = self.fields[name] = {}
        return holder

    def _formatted_part(self, part: FieldPart | DatePart) -> str:
        if isinstance(part, FieldPart):
            value = self.get(part.reference)
            return part.written if value is None else text_of(value)
        moment = self.timestamp
        if moment is None:
            return f"%{{+{part.pattern}}}"
        if part.pattern == EPOCH:
            return str(int(moment.timestamp()))
        return compile_pattern(part.pattern).write(moment.astimezone(UTC))


def text_of(value: Leaf) -> str:
    """A value as text: strings as they are, moments in UTC, whole floats with `.0`, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return written_moment(value)
    if isinstance(value, list):
        return ",".join(text_of(element) for element in value)
    if isinstance(value, int | float):
        return str(value)
    return encode_json(value).decode()


def written_moment(moment: datetime) -> str:
    """2026-01-02T03:04:05.678Z; with microseconds where it has some below a millisecond."""
    utc = moment.astimezone(UTC)
    digits = "milliseconds" if utc.microsecond % 1000 == 0 else "microseconds"
    return utc.replace(tzinfo=None).isoformat(timespec=digits) + "Z"


def encode_json(value: object) -> bytes:
    """JSON, moments by `written_moment`."""
    return _ENCODE(plain(value))


_ENCODE: Callable[[object], bytes] = msgspec.json.Encoder(decimal_format="number").encode


def plain(value: object) -> object:
    """`value` with its moments written; what has none in it is not copied."""
    if isinstance(value, dict):
        changed: Value | None = None
        for name, inner in value.items():
            if isinstance(inner, dict | list | datetime) and (written := plain(inner)) is not inner:
                changed = dict(value) if changed is None else changed
                changed[name] = written
        return value if changed is None else changed
    if isinstance(value, list):
        elements = [plain(inner) for inner in value]
        return value if all(map(operator.is_, elements, value)) else elements
    return written_moment(value) if isinstance(value, datetime) else value


def copied(value: Value) -> Value:
    """The same fields, nothing shared."""
    return {name: copied_leaf(inner) for name, inner in value.items()}


def copied_leaf(value: object) -> object:
    """The same value, nothing shared."""
    if isinstance(value, dict):
        return copied(value)
    return [copied_leaf(inner) for inner in value] if isinstance(value, list) else value


def _inside(holder: object, name: str) -> object:
    if isinstance(holder, dict):
        return holder.get(name)
    if isinstance(holder, list):
        index = _index(name, holder)
        return holder[index] if index is not None else None
    return None


def _index(name: str, holder: list[object]) -> int | None:
    """The place in a list that a name means; negative ones count from the end."""
    if not name.lstrip("-").isdigit():
        return None
    index = int(name)
    return index if -len(holder) <= index < len(holder) else None


def _step_into(holder: object, name: str) -> object:
    inner = _inside(holder, name)
    if not isinstance(inner, dict | list):
        inner = {}
        if isinstance(holder, dict):
            holder[name] = inner
        elif isinstance(holder, list):
            _put_element(holder, name, inner)
    return inner


def _put_element(holder: list[object], name: str, value: object) -> None:
    if not name.isdigit() or int(name) > len(holder):
        return
    if int(name) == len(holder):
        holder.append(value)
    else:
        holder[int(name)] = value
