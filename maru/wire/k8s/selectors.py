"""Label and field selectors: parsed once, then asked of many documents.

Source: k8s.io/apimachinery/pkg/labels and pkg/fields; Kubernetes docs, "Labels and Selectors".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maru.wire.k8s.errors import BadSelector

SELECTOR_CHARS_MAX = 64 * 1024

_TOKEN = re.compile(r"\s*(==|!=|=|!|\(|\)|,|>|<|[^\s=!(),><]+)")
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_OPERATORS = {"=": "=", "==": "=", "!=": "!=", "in": "in", "notin": "notin", ">": "gt", "<": "lt"}
_SPECIAL = frozenset({"=", "==", "!=", "!", "(", ")", ",", ">", "<", ""})
_EXPRESSIONS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term. operator: =, !=, in, notin, exists, !, gt, lt. values: ascending."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the term holds for the labels; != and notin also hold where the key is missing."""
        value, operator = labels.get(self.key), self.operator
        if operator in ("=", "in"):
            return value is not None and value in self.values
        if operator in ("!=", "notin"):
            return value is None or value not in self.values
        if operator == "exists":
            return value is not None
        if operator == "!":
            return value is None
        if value is None or not _INTEGER.fullmatch(value):
            return False
        return int(value) > int(self.values[0]) if operator == "gt" else int(value) < int(self.values[0])


@dataclass(frozen=True, slots=True)
class Selector:
    """All of `requirements`; none selects everything. `nothing` selects nothing (a nil LabelSelector)."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether all terms hold."""
        if self.nothing:
            return False
        return all(requirement.matches(labels) for requirement in self.requirements)

    def exact(self, key: str) -> str | None:
        """The value that `key` must have, if a term says so."""
        for one in self.requirements:
            if one.key == key and one.operator in ("=", "in") and len(one.values) == 1:
                return one.values[0]
        return None


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def parse_labels(text: str) -> Selector:
    """A labelSelector query parameter. Raises BadSelector."""
    if not text.strip():
        return EVERYTHING
    if len(text) > SELECTOR_CHARS_MAX:
        raise BadSelector(f"unable to parse requirement: selector is longer than {SELECTOR_CHARS_MAX} characters")
    try:
        requirements = _LabelParser(_TOKEN.findall(text)).parse()
    except BadSelector as error:
        raise BadSelector(f"unable to parse requirement: {error.message}") from None
    return Selector(tuple(sorted(requirements, key=lambda one: one.key)))


class _LabelParser:
    """Recursive descent over the words, with the messages of labels.Parser."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            word = self._peek()
            if word != "!" and word in _SPECIAL:
                raise BadSelector(f"found '{word}', expected: !, identifier, or 'end of string'")
            found.append(self._requirement())
            word = self._next()
            if word == "":
                return found
            if word != ",":
                raise BadSelector(f"found '{word}', expected: ',' or 'end of string'")
            word = self._peek()
            if word != "!" and word in _SPECIAL:
                raise BadSelector(f"found '{word}', expected: identifier after ','")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        word = self._peek()
        self._at += 1
        return word

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._next()
        key = self._next()
        if key in _SPECIAL:
            raise BadSelector(f"found '{key}', expected: identifier")
        _check_key(key)
        if negated:
            return Requirement(key, "!")
        if self._peek() in (",", ""):
            return Requirement(key, "exists")
        word = self._next()
        operator = _OPERATORS.get(word)
        if operator is None:
            raise BadSelector(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._set() if operator in ("in", "notin") else (self._value(),)
        return _requirement(key, operator, values)

    def _value(self) -> str:
        if self._peek() in (",", ""):
            return ""
        word = self._next()
        if word in _SPECIAL:
            raise BadSelector(f"found '{word}', expected: identifier")
        return word

    def _set(self) -> tuple[str, ...]:
        word = self._next()
        if word != "(":
            raise BadSelector(f"found '{word}' expected: '('")
        values: list[str] = []
        while True:
            word = self._next()
            if word == ")":  # an empty set, or a trailing comma, holds the empty string
                values.append("")
                break
            if word == ",":
                values.append("")
                continue
            if word in _SPECIAL:
                raise BadSelector(f"found '{word}', expected: ',', ')' or identifier")
            values.append(word)
            word = self._next()
            if word == ")":
                break
            if word != ",":
                raise BadSelector(f"found '{word}', expected: ',' or ')'")
        return tuple(values)


def _requirement(key: str, operator: str, values: Sequence[str]) -> Requirement:
    if operator in ("in", "notin") and not values:
        raise BadSelector("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("gt", "lt") and not _INTEGER.fullmatch(values[0]):
        raise BadSelector(
            f"values[0]: Invalid value: \"{values[0]}\": for 'Gt', 'Lt' operators, the value must be an integer"
        )
    for index, value in enumerate(values):
        if value and not (len(value) <= 63 and _NAME.fullmatch(value)):
            raise BadSelector(f'values[{index}][{key}]: Invalid value: "{value}": {_value_rule(value)}')
    return Requirement(key, operator, tuple(sorted(set(values))))


def _value_rule(value: str) -> str:
    if len(value) > 63:
        return "must be no more than 63 bytes"
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if slash and not (len(prefix) <= 253 and _PREFIX.fullmatch(prefix)):
        rule = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
        raise BadSelector(f'key: Invalid value: "{key}": prefix part {rule}')
    if not (len(name) <= 63 and _NAME.fullmatch(name)):
        rule = (
            "must be no more than 63 bytes"
            if len(name) > 63
            else "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
        raise BadSelector(f'key: Invalid value: "{key}": name part {rule}')


def parse_fields(text: str) -> Selector:
    """A fieldSelector query parameter; keys are field paths (metadata.name). Raises BadSelector."""
    if len(text) > SELECTOR_CHARS_MAX:
        raise BadSelector(f"invalid selector: longer than {SELECTOR_CHARS_MAX} characters")
    requirements = []
    for term in _split_terms(text):
        found = re.match(r"((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)", term, re.DOTALL)
        if found is None:
            raise BadSelector(f"invalid selector: '{text}'; can't understand '{term}'")
        operator = "!=" if found[2] == "!=" else "="
        requirements.append(Requirement(found[1].strip(), operator, (_unescape(term[found.end() :]),)))
    return Selector(tuple(requirements))


def _split_terms(text: str) -> list[str]:
    terms: list[str] = []
    start = at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == ",":
            terms.append(text[start:at])
            start = at + 1
        at += 1
    terms.append(text[start:])
    return [term for term in terms if term]


def _unescape(text: str) -> str:
    plain: list[str] = []
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            escaped = next(letters, "")
            if not escaped or escaped not in "\\,=":
                raise BadSelector(f"invalid field selector: invalid escape sequence: \\{escaped}")
            plain.append(escaped)
        elif letter in ",=":
            raise BadSelector(f"invalid field selector: unescaped rune in: {letter}")
        else:
            plain.append(letter)
    return "".join(plain)


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A meta/v1 LabelSelector value; None selects nothing, {} everything. Raises BadSelector."""
    if selector is None:
        return NOTHING
    requirements = []
    for key, value in (selector.get("matchLabels") or {}).items():
        _check_key(key)
        requirements.append(_requirement(key, "=", (value,)))
    for expression in selector.get("matchExpressions") or ():
        named = expression.get("operator", "")
        operator = _EXPRESSIONS.get(named)
        if operator is None:
            raise BadSelector(f'"{named}" is not a valid label selector operator')
        _check_key(expression.get("key", ""))
        values = tuple(expression.get("values") or ())
        if operator in ("exists", "!") and values:
            raise BadSelector("values: Invalid value: values set must be empty for exists and does not exist")
        requirements.append(_requirement(expression["key"], operator, values))
    return Selector(tuple(sorted(requirements, key=lambda one: one.key)))


def unsupported_fields(selector: Selector, supported: Sequence[str]) -> Sequence[str]:
    """The keys of a field selector that the kind does not have."""
    return [one.key for one in selector.requirements if one.key not in supported]
