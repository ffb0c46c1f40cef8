"""The syntax tree of a pipeline's configuration.

A tree says what was written, not what it means: barewords stay apart from strings, since a plugin may
read `codec => json` as a plugin and `level => "json"` as text. Everything bears its place for messages.
Source: Logstash reference, "Structure of a pipeline"; the published grammar of its configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from maru.wire.logstash.references import Reference


class Section(StrEnum):
    """The three kinds of sections, and of plugins."""

    INPUT = "input"
    FILTER = "filter"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Place:
    """line and column count from 1; offset is in bytes of the UTF-8 text from 0, of the thing's first letter."""

    line: int
    column: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Bareword:
    """A word without quotes: true, json, debug."""

    word: str


@dataclass(frozen=True, slots=True)
class Regexp:
    """A pattern between slashes, the slashes left out."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin with its attributes in order; a name may stand more than once.

    name: grok, or a codec's where it stands as a value. text: as it was written, for the id it gets.
    usual: what the pipeline says where the plugin says nothing, for those that have such an attribute.
    """

    name: str
    attributes: tuple[tuple[str, Value], ...]
    place: Place
    text: str = ""
    usual: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Hash:
    """Entries in order; the same key twice is there twice."""

    entries: tuple[tuple[Value, Value], ...]


Value = str | int | float | Bareword | Regexp | Plugin | Hash | tuple["Value", ...]
"""What stands right of `=>`: a quoted string is str, an array is a tuple."""


class Operator(StrEnum):
    """Between two operands."""

    EQUAL = "=="
    DIFFERENT = "!="
    LESS_OR_EQUAL = "<="
    MORE_OR_EQUAL = ">="
    LESS = "<"
    MORE = ">"
    MATCHES = "=~"
    MATCHES_NOT = "!~"
    IN = "in"
    NOT_IN = "not in"


class Junction(StrEnum):
    """Between two conditions."""

    AND = "and"
    OR = "or"
    XOR = "xor"
    NAND = "nand"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the event as an operand; alone, it asks whether it is there and not false."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class Compare:
    """left and right: operands. Of MATCHES the right one is a pattern."""

    operator: Operator
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Not:
    """A condition, denied."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Join:
    """Two conditions, joined."""

    junction: Junction
    left: Condition
    right: Condition


Operand = str | int | float | Field | Regexp | tuple["Operand", ...]
Condition = Compare | Not | Join | Operand


@dataclass(frozen=True, slots=True)
class Branch:
    """if, else if, else: arms in order, each with its condition (None: else) and its body."""

    arms: tuple[tuple[Condition | None, Sequence[Step]], ...]
    place: Place


Step = Plugin | Branch


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All sections of a kind put together in the order they were written."""

    inputs: Sequence[Step]
    filters: Sequence[Step]
    outputs: Sequence[Step]
