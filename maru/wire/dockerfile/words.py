"""Words of a Dockerfile: quotes taken off, variables put in, split at blanks.

${x:-word} is word when x is unset or empty, ${x:+word} is word when it is not; the forms without the
colon look at unset alone. Single quotes keep everything, double quotes keep blanks.
Source: docs.docker.com/reference/dockerfile, "Environment replacement".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from maru.wire.dockerfile.lines import DockerfileError

NESTING_MAX = 50

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_BARE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*|[0-9@*#?!$-]")


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """One word, whatever blanks come of it. Raises DockerfileError."""
    return " ".join(_Reader(text, variables, escape).words(is_one=True))


def expand_words(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """Split at blanks outside of quotes, also at those that variables bring. Raises DockerfileError."""
    return _Reader(text, variables, escape).words(is_one=False)


def split_raw(text: str, escape: str = "\\") -> list[str]:
    """Split at blanks outside of quotes; quotes and escapes stay in the words."""
    words: list[str] = []
    current, quote, at = "", "", 0
    while at < len(text):
        char = text[at]
        if not quote and char.isspace():
            if current:
                words.append(current)
            current = ""
        elif char == escape and quote != "'" and at + 1 < len(text):
            current += text[at : at + 2]
            at += 1
        else:
            if char in "'\"" and quote in ("", char):
                quote = "" if quote else char
            current += char
        at += 1
    return [*words, current] if current else words


class _Reader:
    def __init__(self, text: str, variables: Mapping[str, str], escape: str, depth: int = 0) -> None:
        if depth > NESTING_MAX:
            raise DockerfileError("variables are nested too deeply")
        self._text, self._variables, self._escape, self._depth = text, variables, escape, depth
        self._at = 0

    def words(self, *, is_one: bool) -> list[str]:
        done: list[str] = []
        current, has_word = "", False
        while self._at < len(self._text):
            char = self._text[self._at]
            if char.isspace() and not is_one:
                if has_word:
                    done.append(current)
                current, has_word = "", False
                self._at += 1
            elif char in "'\"":
                current += self._single() if char == "'" else self._double()
                has_word = True
            elif char == "$":
                value = self._variable()
                if is_one:
                    current, has_word = current + value, True
                    continue
                pieces = re.split(r"\s+", value)
                for piece in pieces[:-1]:
                    current += piece
                    if current:
                        done.append(current)
                    current = ""
                current += pieces[-1]
                has_word = bool(current)
            else:
                if char == self._escape and self._at + 1 < len(self._text):
                    self._at += 1
                    char = self._text[self._at]
                current, has_word = current + char, True
                self._at += 1
        return [*done, current] if has_word else done

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise DockerfileError("unexpected end of statement while looking for matching single-quote")
        inner, self._at = self._text[self._at + 1 : end], end + 1
        return inner

    def _double(self) -> str:
        self._at += 1
        inner = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return inner
            if char == "$":
                inner += self._variable()
                continue
            if char == self._escape and self._text[self._at + 1 : self._at + 2] in ('"', "$", self._escape):
                self._at += 1
                char = self._text[self._at]
            inner += char
            self._at += 1
        raise DockerfileError("unexpected end of statement while looking for matching double-quote")

    def _variable(self) -> str:
        self._at += 1
        if self._text[self._at : self._at + 1] == "{":
            return self._braced()
        found = _BARE.match(self._text, self._at)
        if found is None:
            return "$"
        self._at = found.end()
        return self._variables.get(found.group(), "")

    def _braced(self) -> str:
        start = self._at + 1
        found = _NAME.match(self._text, start) or _BARE.match(self._text, start)
        if found is None:
            raise DockerfileError("bad substitution")
        name, end = found.group(), self._closing(start)
        rest = self._text[found.end() : end]
        self._at = end + 1
        value = self._variables.get(name)
        if not rest:
            return value or ""
        is_empty_unset = rest.startswith(":")
        operator, word = rest.removeprefix(":")[:1], rest.removeprefix(":")[1:]
        is_set = bool(value) if is_empty_unset else value is not None
        if operator == "-":
            return (value or "") if is_set else self._inner(word)
        if operator == "+":
            return self._inner(word) if is_set else ""
        if operator == "?":
            if not is_set:
                raise DockerfileError(f"{name}: {self._inner(word) or 'is not allowed to be unset'}")
            return value or ""
        raise DockerfileError(f"unsupported modifier ({rest[:1]}) in substitution")

    def _closing(self, at: int) -> int:
        depth = 1
        while at < len(self._text):
            char = self._text[at]
            if char == self._escape:
                at += 1
            depth += (char == "{") - (char == "}")
            if depth == 0:
                return at
            at += 1
        raise DockerfileError("syntax error: missing '}'")

    def _inner(self, text: str) -> str:
        return " ".join(_Reader(text, self._variables, self._escape, self._depth + 1).words(is_one=True))
