"""The Lucene query syntax of `query_string` and `?q=`, as a tree.

Operators +, -, !, AND, OR, NOT, &&, ||, grouping, field:, phrases with slop, ranges, wildcards, /regexps/,
fuzziness and boosts. AND and OR have the precedence of the classic parser: a clause is made a must by an AND
beside it. Source: Apache Lucene, classic QueryParser syntax; Elasticsearch reference, "Query string query".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

MUST, SHOULD, MUST_NOT = "must", "should", "must_not"


class SyntaxFault(ValueError):
    """Text that is no query."""


@dataclass(frozen=True, slots=True)
class Word:
    """A term, or several where a field's analyzer says so. field: "" for the default ones.

    fuzzy: -1 not asked, -2 by length.
    """

    text: str
    field: str = ""
    boost: float = 1.0
    fuzzy: float = -1


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in quotes. slop: -1 for the default."""

    text: str
    field: str = ""
    boost: float = 1.0
    slop: int = -1


@dataclass(frozen=True, slots=True)
class Pattern:
    """With * and ?; backslashes kept."""

    text: str
    field: str = ""
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Expression:
    """Between slashes."""

    text: str
    field: str = ""
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Span:
    """A range; "*" is an open end."""

    low: str
    high: str
    has_low: bool
    has_high: bool
    field: str = ""
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Group:
    """Clauses: (occurrence, node)."""

    clauses: tuple[tuple[str, Node], ...]
    boost: float = 1.0


Node = Word | Phrase | Pattern | Expression | Span | Group

_SPECIAL = set('+-!(){}[]^"~*?:\\/ \t\n\r&|')
_COMPARE = re.compile(r"(>=|<=|>|<)")


def parse(text: str, default_operator: str = "or") -> Group:
    """Raises SyntaxFault."""
    reader = _Reader(text, default_operator.lower() == "and")
    group = reader.group("", is_inner=False)
    if reader.at < len(text):
        raise SyntaxFault(
            f'Cannot parse \'{text}\': Encountered " "{text[reader.at]}" "{text[reader.at]} "" at line 1, '
            f"column {reader.at}."
        )
    return group


def unescape(text: str) -> str:
    """Without the backslashes before signs."""
    return re.sub(r"\\(.)", r"\1", text)


class _Reader:
    def __init__(self, text: str, is_and: bool) -> None:
        self.text = text
        self.at = 0
        self._is_and = is_and

    def group(self, field: str, *, is_inner: bool) -> Group:
        clauses: list[tuple[str, Node]] = []
        is_pending_and = False
        while True:
            self._space()
            if self.at >= len(self.text) or (is_inner and self.text[self.at] == ")"):
                break
            operator = self._operator()
            if operator in ("AND", "OR"):
                if not clauses:
                    raise self._fault()
                is_pending_and = operator == "AND"
                if is_pending_and and clauses[-1][0] == SHOULD:
                    clauses[-1] = (MUST, clauses[-1][1])
                if operator == "OR" and self._is_and and clauses[-1][0] == MUST:
                    clauses[-1] = (SHOULD, clauses[-1][1])
                self._space()
                modifier = self._modifier()
                occur = MUST if is_pending_and else SHOULD
            else:
                modifier = self._modifier()
                occur = MUST if self._is_and else SHOULD
            if modifier == "-":
                occur = MUST_NOT
            elif modifier == "+":
                occur = MUST
            clauses.append((occur, self._clause(field)))
        if is_inner and self.at >= len(self.text):
            raise self._fault()
        return Group(tuple(clauses))

    def _operator(self) -> str:
        for word, meaning in (("AND", "AND"), ("OR", "OR"), ("&&", "AND"), ("||", "OR")):
            if self.text.startswith(word, self.at):
                end = self.at + len(word)
                if word in ("&&", "||") or end >= len(self.text) or self.text[end] in " \t\n\r(":
                    self.at = end
                    return meaning
        return ""

    def _modifier(self) -> str:
        if self.text.startswith("NOT", self.at) and self.text[self.at + 3 : self.at + 4] in ("", " ", "(", "\t"):
            self.at += 3
            self._space()
            return "-"
        if self.at < len(self.text) and self.text[self.at] in "+-!":
            sign = self.text[self.at]
            self.at += 1
            self._space()
            return "+" if sign == "+" else "-"
        return ""

    def _clause(self, field: str) -> Node:
        if self.at >= len(self.text):
            raise self._fault()
        named = re.match(r'((?:\\.|[^\s:\\()"\[\]{}/~^+!<>=]|(?<=\w)[-+])+):(?!\s*$)', self.text[self.at :])
        if named and not self.text.startswith("*:*", self.at):
            field = unescape(named[1])
            self.at += named.end()
            self._space()
        if self.text.startswith("*:*", self.at):
            self.at += 3
            return replace(Pattern("*", "*"), boost=self._boost())
        letter = self.text[self.at] if self.at < len(self.text) else ""
        if letter == "(":
            self.at += 1
            inner = self.group(field, is_inner=True)
            self.at += 1
            return replace(inner, boost=self._boost())
        if letter == '"':
            return self._phrase(field)
        if letter in ("[", "{"):
            return self._range(field)
        if letter == "/":
            end = re.compile(r"(?<!\\)/").search(self.text, self.at + 1)
            if end is None:
                raise self._fault()
            body = self.text[self.at + 1 : end.start()].replace("\\/", "/")
            self.at = end.end()
            return Expression(body, field, self._boost())
        compare = _COMPARE.match(self.text, self.at)
        if compare:
            self.at = compare.end()
            self._space()
            bound = self._bound(" \t\n)")
            sign = compare[0]
            if sign[0] == ">":
                return Span(bound, "*", sign == ">=", True, field, self._boost())
            return Span("*", bound, True, sign == "<=", field, self._boost())
        return self._word(field)

    def _word(self, field: str) -> Node:
        start = self.at
        text = self.text
        while self.at < len(text):
            letter = text[self.at]
            if letter == "\\":
                if self.at + 1 >= len(text):
                    raise SyntaxFault(f"Cannot parse '{text}': Term can not end with escape character.")
                self.at += 2
                continue
            if letter in ' \t\n\r()[]{}"^~:' or (letter in "!" and self.at == start):
                break
            if text.startswith(("&&", "||"), self.at):
                break
            self.at += 1
        raw = text[start : self.at]
        if not raw:
            raise self._fault()
        if re.search(r"(?<!\\)(?:\\\\)*[*?]", raw):
            return Pattern(raw, field, self._boost())
        fuzzy = -1.0
        if self.at < len(text) and text[self.at] == "~":
            number = re.compile(r"~(\d*\.?\d*)").match(text, self.at)
            assert number is not None
            self.at = number.end()
            fuzzy = float(number[1]) if number[1] else -2.0
        return Word(unescape(raw), field, self._boost(), fuzzy)

    def _phrase(self, field: str) -> Node:
        end = re.compile(r'(?<!\\)(?:\\\\)*"').search(self.text, self.at + 1)
        if end is None:
            raise SyntaxFault(
                f"Cannot parse '{self.text}': Lexical error at line 1, column {len(self.text) + 1}.  "
                "Encountered: <EOF> (in lexical state 0)"
            )
        body = unescape(self.text[self.at + 1 : end.end() - 1])
        self.at = end.end()
        slop = re.compile(r"~(\d+)").match(self.text, self.at)
        if slop:
            self.at = slop.end()
        return Phrase(body, field, self._boost(), int(slop[1]) if slop else -1)

    def _range(self, field: str) -> Node:
        has_low = self.text[self.at] == "["
        self.at += 1
        self._space()
        low = self._bound(" \t\n")
        self._space()
        if not self.text.startswith("TO", self.at):
            raise self._fault()
        self.at += 2
        self._space()
        high = self._bound("]} \t\n")
        self._space()
        if self.at >= len(self.text) or self.text[self.at] not in "]}":
            raise self._fault()
        has_high = self.text[self.at] == "]"
        self.at += 1
        return Span(low, high, has_low, has_high, field, self._boost())

    def _bound(self, stops: str) -> str:
        if self.at < len(self.text) and self.text[self.at] == '"':
            end = self.text.find('"', self.at + 1)
            if end < 0:
                raise self._fault()
            body = self.text[self.at + 1 : end]
            self.at = end + 1
            return body
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in stops:
            self.at += 2 if self.text[self.at] == "\\" else 1
        if start == self.at:
            raise self._fault()
        return unescape(self.text[start : self.at])

    def _boost(self) -> float:
        found = re.compile(r"\^(\d+\.?\d*|\.\d+)").match(self.text, self.at)
        if found is None:
            return 1.0
        self.at = found.end()
        return float(found[1])

    def _space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\n\r\u3000":
            self.at += 1

    def _fault(self) -> SyntaxFault:
        if self.at >= len(self.text):
            return SyntaxFault(f"Cannot parse '{self.text}': Encountered \"<EOF>\" at line 1, column {len(self.text)}.")
        letter = self.text[self.at]
        return SyntaxFault(
            f'Cannot parse \'{self.text}\': Encountered " "{letter}" "{letter} "" at line 1, column {self.at}.'
        )
