"""From a pipeline's text to its syntax tree, by recursive descent over the published grammar.

Quoted strings are kept as they stand, unless escapes are asked for, an option of the whole pipeline.
The error names line, column and byte as Logstash does, with what could have stood there.
Source: Logstash reference, "Structure of a pipeline"; the grammar in the Logstash source tree (LSCL).
"""

from __future__ import annotations

import re

from maru.wire.logstash.references import BadReference, parse_reference
from maru.wire.logstash.syntax import (
    Bareword,
    Branch,
    Compare,
    Condition,
    Field,
    Hash,
    Join,
    Junction,
    Not,
    Operand,
    Operator,
    Pipeline,
    Place,
    Plugin,
    Regexp,
    Section,
    Step,
    Value,
)

NESTING_MAX = 200  # of values, branches and parentheses

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_BAREWORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]*)?")
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_SINGLE = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_REGEXP = re.compile(r"/((?:\\.|[^/\\\n])*)/")
_SELECTOR = re.compile(r"(?:\[[^\],\[]+\])+")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'", "/": "/"}
_ESCAPE = re.compile(r"""\\([nrt\\"'/])""")
_OPERATOR = re.compile(r"==|!=|<=|>=|=~|!~|<|>")
_WORD = re.compile(r"[a-z]+(?![A-Za-z0-9_])")
_TIGHTER = {Junction.AND: 2, Junction.NAND: 2, Junction.XOR: 1, Junction.OR: 0}


class ParseError(ValueError):
    """The text is no configuration. place: where it stops being one."""

    def __init__(self, expected: str, place: Place) -> None:
        where = f"line {place.line}, column {place.column} (byte {place.offset + 1})"
        super().__init__(f"Expected one of {expected} at {where}")
        self.place = place


def parse(text: str, *, escapes: bool = False) -> Pipeline:
    r"""The pipeline that `text` describes. escapes: `\n`, `\t`, `\"` and their like in strings are read.

    Raises ParseError.
    """
    return _Parser(text, escapes=escapes).pipeline()


class _Parser:
    def __init__(self, text: str, *, escapes: bool) -> None:
        self._text = text
        self._escapes = escapes
        self._at = 0
        self._depth = 0

    def pipeline(self) -> Pipeline:
        steps: dict[Section, list[Step]] = {section: [] for section in Section}
        self._skip()
        while self._at < len(self._text):
            match = _NAME.match(self._text, self._at)
            if match is None or match[0] not in list(Section):
                raise self._error('[ \\t\\r\\n], "#", "input", "filter", "output"')
            self._at = match.end()
            self._skip()
            steps[Section(match[0])] += self._body()
        return Pipeline(steps[Section.INPUT], steps[Section.FILTER], steps[Section.OUTPUT])

    def _body(self) -> tuple[Step, ...]:
        """Plugins and branches between braces."""
        self._take("{")
        self._enter()
        steps: list[Step] = []
        while not self._is_next("}"):
            steps.append(self._branch() if self._is_word("if") else self._plugin())
            self._skip()
        self._take("}")
        self._depth -= 1
        return tuple(steps)

    def _branch(self) -> Branch:
        place = self._place()
        arms: list[tuple[Condition | None, tuple[Step, ...]]] = []
        self._take_word("if")
        condition = self._condition()
        arms.append((condition, self._body()))
        while self._is_word("else"):
            self._take_word("else")
            if not self._is_word("if"):
                arms.append((None, self._body()))
                break
            self._take_word("if")
            condition = self._condition()
            arms.append((condition, self._body()))
        return Branch(tuple(arms), place)

    def _plugin(self) -> Plugin:
        place, first = self._place(), self._at
        name = self._name('[ \\t\\r\\n], "#", [A-Za-z0-9_-], \'"\', "\'", "}"')
        attributes: list[tuple[str, Value]] = []
        self._take("{")
        self._enter()
        while not self._is_next("}"):
            attribute = self._name('[ \\t\\r\\n], "#", [A-Za-z0-9_-], \'"\', "\'", "}"')
            self._take("=>")
            attributes.append((attribute, self._value()))
            self._skip()
        last = self._at + 1
        self._take("}")
        self._depth -= 1
        return Plugin(name, tuple(attributes), place, self._text[first:last])

    def _value(self) -> Value:
        if self._is_next("["):
            return self._array()
        if self._is_next("{"):
            return self._hash()
        simple = self._simple()
        if simple is not None:
            return simple
        match = _BAREWORD.match(self._text, self._at)
        name = _NAME.match(self._text, self._at)
        if name is not None and _opens(self._text, name.end()):
            return self._plugin()
        if match is None:
            raise self._error('[ \\t\\r\\n], "#", [A-Za-z0-9_], \'"\', "\'", "-", [0-9], "[", "{"')
        self._at = match.end()
        self._skip()
        return Bareword(match[0])

    def _simple(self) -> str | int | float | None:
        """A quoted string or a number, None for anything else."""
        text = self._string()
        if text is not None:
            return text
        match = _NUMBER.match(self._text, self._at)
        if match is None or _NAME.match(self._text, match.end()):
            return None
        self._at = match.end()
        self._skip()
        return float(match[0]) if "." in match[0] else int(match[0])

    def _array(self) -> tuple[Value, ...]:
        self._take("[")
        self._enter()
        values: list[Value] = []
        while not self._is_next("]"):
            values.append(self._value())
            if not self._is_next("]"):
                self._take(",")
        self._take("]")
        self._depth -= 1
        return tuple(values)

    def _hash(self) -> Hash:
        self._take("{")
        self._enter()
        entries: list[tuple[Value, Value]] = []
        while not self._is_next("}"):
            key = self._simple()
            if key is None:
                key = self._name('[ \\t\\r\\n], "#", [A-Za-z0-9_-], \'"\', "\'", "}"')
            self._take("=>")
            entries.append((key, self._value()))
            if self._is_next(","):
                raise self._error('[ \\t\\r\\n], "#", "}"')
        self._take("}")
        self._depth -= 1
        return Hash(tuple(entries))

    def _condition(self, tightness: int = 0) -> Condition:
        left = self._expression()
        while True:
            word = _WORD.match(self._text, self._at)
            if word is None or word[0] not in list(Junction) or _TIGHTER[Junction(word[0])] < tightness:
                return left
            junction = Junction(word[0])
            self._at = word.end()
            self._skip()
            left = Join(junction, left, self._condition(_TIGHTER[junction] + 1))

    def _expression(self) -> Condition:
        if self._is_next("("):
            self._take("(")
            self._enter()
            inside = self._condition()
            self._take(")")
            self._depth -= 1
            return inside
        if self._is_next("!"):
            self._take("!")
            if self._is_next("(") or self._is_next("["):
                self._enter()
                negated = Not(self._expression())
                self._depth -= 1
                return negated
            raise self._error('[ \\t\\r\\n], "#", "(", "["')
        left = self._operand()
        operator = self._operator()
        if operator is None:
            return left
        right = self._operand()
        if operator in (Operator.MATCHES, Operator.MATCHES_NOT) and not isinstance(right, str | Regexp):
            raise self._error('\'"\', "\'", "/"')
        return Compare(operator, left, right)

    def _operator(self) -> Operator | None:
        match = _OPERATOR.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            self._skip()
            return Operator(match[0])
        if self._is_word("in"):
            self._take_word("in")
            return Operator.IN
        if self._is_word("not"):
            self._take_word("not")
            self._take_word("in")
            return Operator.NOT_IN
        return None

    def _operand(self) -> Operand:
        simple = self._simple()
        if simple is not None:
            return simple
        match = _SELECTOR.match(self._text, self._at)
        if match is not None and "'" not in match[0] and '"' not in match[0]:
            try:
                reference = parse_reference(match[0])
            except BadReference as error:
                raise self._error(str(error)) from error
            self._at = match.end()
            self._skip()
            return Field(reference)
        if self._is_next("["):
            return self._operands()
        match = _REGEXP.match(self._text, self._at)
        if match is None:
            raise self._error('[ \\t\\r\\n], "#", "(", "!", \'"\', "\'", "-", [0-9], "[", "/"')
        self._at = match.end()
        self._skip()
        return Regexp(match[1].replace("\\/", "/"))

    def _operands(self) -> tuple[Operand, ...]:
        self._take("[")
        self._enter()
        operands: list[Operand] = []
        while not self._is_next("]"):
            operands.append(self._operand())
            if not self._is_next("]"):
                self._take(",")
        self._take("]")
        self._depth -= 1
        return tuple(operands)

    def _name(self, expected: str) -> str:
        text = self._string()
        if text is not None:
            return text
        match = _NAME.match(self._text, self._at)
        if match is None:
            raise self._error(expected)
        self._at = match.end()
        self._skip()
        return match[0]

    def _string(self) -> str | None:
        for pattern in (_DOUBLE, _SINGLE):
            match = pattern.match(self._text, self._at)
            if match is not None:
                self._at = match.end()
                self._skip()
                return _unescaped(match[1]) if self._escapes else match[1]
        return None

    def _is_next(self, letters: str) -> bool:
        return self._text.startswith(letters, self._at)

    def _take(self, letters: str) -> None:
        if not self._is_next(letters):
            raise self._error(f'[ \\t\\r\\n], "#", "{letters}"')
        self._at += len(letters)
        self._skip()

    def _is_word(self, word: str) -> bool:
        match = _WORD.match(self._text, self._at)
        return match is not None and match[0] == word and not _opens_plugin(self._text, match.end(), word)

    def _take_word(self, word: str) -> None:
        match = _WORD.match(self._text, self._at)
        if match is None or match[0] != word:
            raise self._error(f'[ \\t\\r\\n], "#", "{word}"')
        self._at = match.end()
        self._skip()

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise self._error("fewer levels of nesting")

    def _place(self) -> Place:
        before = self._text[: self._at]
        line = before.count("\n") + 1
        return Place(line, self._at - (before.rfind("\n") + 1) + 1, len(before.encode()))

    def _error(self, expected: str) -> ParseError:
        return ParseError(expected, self._place())


def _unescaped(text: str) -> str:
    """What is no escape stays, its backslash included."""
    return _ESCAPE.sub(lambda match: _ESCAPES[match[1]], text)


def _opens(text: str, at: int) -> bool:
    """Whether the next thing is an opening brace."""
    match = _SPACE.match(text, at)
    assert match is not None
    return text.startswith("{", match.end())


def _opens_plugin(text: str, at: int, word: str) -> bool:
    """Whether `if` or `else` is a plugin's name here: nothing but a brace follows an `if`."""
    return word == "if" and _opens(text, at)
