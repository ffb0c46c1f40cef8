"""The standard analyzer as one text: its tokens in small letters with a space between, ready for the index to cut.

Most texts are ASCII, and of those most have few signs within words: two translations and a comparison tell. What
is left is cut by the standard tokenizer itself. Source: UAX 29, as far as `tokens.STANDARD` follows it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maru.components.search.model.analysis.tokens import (
    IDEOGRAPHIC,
    STANDARD,
    STANDARD_WITHOUT_IDEOGRAPHS,
    TOKEN_LENGTH_MAX,
    Token,
)

_JOINERS = ".:,;'"
"""Signs that may stand within a word: some between letters, some between digits."""


def _table(kept: str) -> dict[int, str]:
    return {code: chr(code).lower() if chr(code).isalnum() or chr(code) in kept else " " for code in range(128)}


_WORDS = _table("_")
_WORDS_AND_JOINERS = _table("_" + _JOINERS)
_NOT_JOINING = re.compile(
    r"[.:,;'](?:"
    r"(?<![a-z0-9].)|(?![a-z0-9])"  # at an end of a word
    r"|(?<=[a-z].)(?![a-z])|(?<=[0-9].)(?![0-9])"  # between a letter and a digit
    r"|(?<=[a-z][,;])|(?<=[0-9]:))"
)


def spaced(text: str) -> str:
    """What the standard analyzer makes of `text`: tokens at positions 0, 1, 2 and so on."""
    if not text.isascii():
        return _cut(text)
    words = text.translate(_WORDS_AND_JOINERS)
    if words != text.translate(_WORDS):
        words = _NOT_JOINING.sub(" ", words)
    if len(words) > TOKEN_LENGTH_MAX and len(max(words.split(), key=len, default="")) > TOKEN_LENGTH_MAX:
        return _cut(text)
    return words


def spaced_tokens(tokens: Sequence[Token]) -> str | None:
    """Tokens of any analyzer as such a text; None where positions have gaps or a token has a space in it."""
    words = [token.text for token in tokens]
    joined = " ".join(words)
    is_even = all(token.position == index for index, token in enumerate(tokens)) and joined.split() == words
    return joined if is_even else None


def _cut(text: str) -> str:
    pattern = STANDARD if IDEOGRAPHIC.search(text) else STANDARD_WITHOUT_IDEOGRAPHS
    words = pattern.findall(text)
    if len(text) > TOKEN_LENGTH_MAX:
        words = [word[at : at + TOKEN_LENGTH_MAX] for word in words for at in range(0, len(word), TOKEN_LENGTH_MAX)]
    return " ".join(words).lower()
