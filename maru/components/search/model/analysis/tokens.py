"""Tokens, and the tokenizers that cut them out of text.

`standard` follows the word breaks of Unicode (UAX 29) as far as letters, digits and marks go; ideographs
and hiragana are words of one sign. Source: Elasticsearch reference, "Tokenizer reference".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maru.wire.elastic.json import Object

TOKEN_LENGTH_MAX = 255
_IDEOGRAPH = "\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
)
IDEOGRAPHIC = re.compile(f"[{_IDEOGRAPH}]")
_DIGITS = r"\d+(?:[.,;'\u2019]\d+)*"
_WORD = rf"(?:[^\W\d_]+[{_MARKS}]*|[{_MARKS}]+)+"
_OTHER_WORD = rf"(?:(?![{_IDEOGRAPH}])[^\W\d_]|[{_MARKS}])+"
# None of them is possessive, though none ever has to go back: Python 3.11.2, Debian 12's, matches such groups wrongly.
STANDARD = re.compile(rf"[{_IDEOGRAPH}]|(?:{_DIGITS}|{_OTHER_WORD}(?:[.:\u00b7'\u2019]{_OTHER_WORD})*|_)+")
STANDARD_WITHOUT_IDEOGRAPHS = re.compile(rf"(?:{_DIGITS}|{_WORD}(?:[.:\u00b7'\u2019]{_WORD})*|_)+")
"""The same for texts that IDEOGRAPHIC finds nothing in, in a third of the time."""


@dataclass(frozen=True, slots=True)
class Token:
    """text: the term. start, end: where it stood, in characters. position: of the word, ascending."""

    text: str
    start: int
    end: int
    position: int
    kind: str = "word"


Tokenizer = Callable[[str], list[Token]]


def tokenizer(name: str, params: Object) -> Tokenizer:
    """A tokenizer by its type. Raises ValueError."""
    if name in ("standard", "classic"):
        length = int(params.get("max_token_length", TOKEN_LENGTH_MAX))
        return lambda text: _standard(text, length)
    if name == "uax_url_email":
        return _by_pattern(
            re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://[^\s<>]+|" + STANDARD.pattern), "<ALPHANUM>"
        )
    if name in ("whitespace",):
        return _by_pattern(re.compile(r"\S+"))
    if name == "keyword":
        return lambda text: [Token(text, 0, len(text), 0)] if text else []
    if name == "letter":
        return _by_pattern(re.compile(r"[^\W\d_]+"))
    if name == "lowercase":
        cut = _by_pattern(re.compile(r"[^\W\d_]+"))
        return lambda text: [Token(t.text.lower(), t.start, t.end, t.position) for t in cut(text)]
    if name == "pattern":
        return _pattern(params)
    if name == "simple_pattern":
        return _by_pattern(re.compile(str(params.get("pattern", ""))))
    if name in ("ngram", "nGram", "edge_ngram", "edgeNGram"):
        return _grams(params, is_edge="edge" in name.lower())
    if name in ("path_hierarchy", "PathHierarchy"):
        return _paths(params)
    if name == "char_group":
        return _char_group(params)
    raise ValueError(f"failed to find global tokenizer under [{name}]")


def _standard(text: str, length_max: int) -> list[Token]:
    found = []
    position = 0
    for match in STANDARD.finditer(text):
        word, start = match.group(0), match.start()
        for at in range(0, len(word), length_max):
            piece = word[at : at + length_max]
            found.append(Token(piece, start + at, start + at + len(piece), position, _kind_of(piece)))
            position += 1
    return found


def _kind_of(word: str) -> str:
    first = word[0]
    if first.isdigit() and not any(letter.isalpha() for letter in word):
        return "<NUM>"
    if "\u3040" <= first <= "\u309f":
        return "<HIRAGANA>"
    if "\u3400" <= first <= "\u9fff":
        return "<IDEOGRAPHIC>"
    return "<ALPHANUM>"


def _by_pattern(pattern: re.Pattern[str], kind: str = "word") -> Tokenizer:
    def cut(text: str) -> list[Token]:
        return [
            Token(match.group(0), match.start(), match.end(), index, kind)
            for index, match in enumerate(pattern.finditer(text))
        ]

    return cut


def _pattern(params: Object) -> Tokenizer:
    expression = re.compile(str(params.get("pattern", r"\W+")), _flags(str(params.get("flags", ""))))
    group = int(params.get("group", -1))
    if group >= 0:
        return lambda text: [
            Token(match.group(group), match.start(group), match.end(group), index)
            for index, match in enumerate(expression.finditer(text))
        ]

    def split(text: str) -> list[Token]:
        found: list[Token] = []
        at = 0
        for match in expression.finditer(text):
            if match.start() > at:
                found.append(Token(text[at : match.start()], at, match.start(), len(found)))
            at = match.end()
        if at < len(text):
            found.append(Token(text[at:], at, len(text), len(found)))
        return found

    return split


def _flags(spelled: str) -> re.RegexFlag:
    flags = re.RegexFlag(0)
    for name in filter(None, spelled.split("|")):
        flags |= {"CASE_INSENSITIVE": re.IGNORECASE, "MULTILINE": re.MULTILINE, "DOTALL": re.DOTALL}.get(
            name, re.RegexFlag(0)
        )
    return flags


def _grams(params: Object, *, is_edge: bool) -> Tokenizer:
    low, high = int(params.get("min_gram", 1)), int(params.get("max_gram", 2))
    if low > high:
        raise ValueError("minGram must not be greater than maxGram")
    classes = params.get("token_chars") or []

    def is_inside(letter: str) -> bool:
        if not classes:
            return True
        return (
            (letter.isalpha() and "letter" in classes)
            or (letter.isdigit() and "digit" in classes)
            or (letter.isspace() and "whitespace" in classes)
            or (not letter.isalnum() and not letter.isspace() and ("punctuation" in classes or "symbol" in classes))
        )

    def cut(text: str) -> list[Token]:
        found: list[Token] = []
        at = 0
        while at < len(text):
            end = at
            while end < len(text) and is_inside(text[end]):
                end += 1
            for start in range(at, end if not is_edge else min(at + 1, end)):
                for size in range(low, min(high, end - start) + 1):
                    found.append(Token(text[start : start + size], start, start + size, len(found)))
            at = max(end, at) + 1
        return found

    return cut


def _paths(params: Object) -> Tokenizer:
    separator = str(params.get("delimiter", "/"))
    replacement = str(params.get("replacement", separator))
    is_reverse = params.get("reverse") in (True, "true")

    def cut(text: str) -> list[Token]:
        ends = [at for at in range(1, len(text)) if text[at] == separator] + [len(text)]
        if is_reverse:
            starts = [0] + [at + 1 for at in range(len(text)) if text[at] == separator]
            return [Token(text[at:].replace(separator, replacement), at, len(text), 0) for at in starts]
        return [Token(text[:at].replace(separator, replacement), 0, at, 0) for at in ends] if text else []

    return cut


def _char_group(params: Object) -> Tokenizer:
    classes: Sequence[str] = [str(name) for name in params.get("tokenize_on_chars", [])]

    def is_break(letter: str) -> bool:
        return (
            letter in classes
            or ("whitespace" in classes and letter.isspace())
            or ("punctuation" in classes and not letter.isalnum() and not letter.isspace())
            or ("digit" in classes and letter.isdigit())
            or ("letter" in classes and letter.isalpha())
            or ("\\n" in classes and letter == "\n")
        )

    def cut(text: str) -> list[Token]:
        found: list[Token] = []
        at = 0
        for index, letter in enumerate(text + "\0"):
            if index == len(text) or is_break(letter):
                if index > at:
                    found.append(Token(text[at:index], at, index, len(found)))
                at = index + 1
        return found

    return cut
