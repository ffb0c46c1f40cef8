"""Tokens of an expression. Source: cel-spec, doc/langdef.md, "Syntax"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from maru.wire.cel.errors import CompileError
from maru.wire.cel.values import INT_MAX, UINT_MAX, UInt

_PATTERN = re.compile(
    r"""(?P<space>[\s]+|//[^\n]*)"""
    r"""|(?P<text>(?:[rR][bB]?|[bB][rR]?)?(?:'''|\"\"\"|'|\"))"""
    r"""|(?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)"""
    r"""|(?P<int>0x[0-9a-fA-F]+[uU]?|\d+[uU]?)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<quoted>`[A-Za-z0-9_.\-/ ]+`)"""
    r"""|(?P<sign>&&|\|\||<=|>=|==|!=|\.\?|\[\?|[-+*/%<>!?:.,()\[\]{}])"""
)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)
EXPRESSION_CHARACTERS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Token:
    """kind: name, quoted, literal, sign or end. value: of a literal."""

    kind: str
    text: str
    offset: int
    value: object = None


def tokens(source: str) -> Sequence[Token]:
    """All tokens, the last of kind end. Raises CompileError."""
    if len(source) > EXPRESSION_CHARACTERS_MAX:
        raise CompileError("", 0, f"expression code point size exceeds limit: size: {len(source)}, limit 100000")
    found: list[Token] = []
    place = 0
    while place < len(source):
        match = _PATTERN.match(source, place)
        if match is None:
            raise CompileError(source, place, f"Syntax error: token recognition error at: '{source[place]}'")
        kind, text = str(match.lastgroup), match.group()
        if kind == "text":
            token = _text(source, place, text)
            found.append(token)
            place += len(token.text)
            continue
        if kind == "int":
            found.append(_number(source, place, text))
        elif kind == "float":
            found.append(Token("literal", text, place, float(text)))
        elif kind == "quoted":
            found.append(Token("quoted", text[1:-1], place))
        elif kind != "space":
            found.append(Token(kind, text, place))
        place = match.end()
    found.append(Token("end", "<EOF>", len(source)))
    return found


def _number(source: str, place: int, text: str) -> Token:
    is_unsigned = text[-1] in "uU"
    digits = text.rstrip("uU")
    value = int(digits, 16) if digits.lower().startswith("0x") else int(digits)
    if value > (UINT_MAX if is_unsigned else INT_MAX + 1):
        raise CompileError(source, place, f"invalid {'uint' if is_unsigned else 'int'} literal")
    return Token("literal", text, place, UInt(value) if is_unsigned else value)


def _text(source: str, place: int, opening: str) -> Token:
    quote = opening.lstrip("rRbB")
    prefix = opening[: len(opening) - len(quote)].lower()
    start = place + len(opening)
    end = start
    while not source.startswith(quote, end):
        if end >= len(source) or (len(quote) == 1 and source[end] == "\n"):
            raise CompileError(source, place, f"Syntax error: token recognition error at: '{source[place:end]}'")
        end += 2 if source[end] == "\\" and "r" not in prefix else 1
    body = source[start:end]
    whole = source[place : end + len(quote)]
    if "b" in prefix:
        raw = body.encode() if "r" in prefix else _unescaped_bytes(source, place, body)
        return Token("literal", whole, place, raw)
    return Token("literal", whole, place, body if "r" in prefix else _unescaped(source, place, body))


def _unescaped(source: str, place: int, body: str) -> str:
    def replace(match: re.Match[str]) -> str:
        number = match[1] or match[2] or match[3] or match[4]
        if number:
            code = int(number, 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise CompileError(source, place, "invalid unicode code point")
            return chr(code)
        if match[5]:
            return chr(int(match[5], 8))
        return _plain(source, place, match[6])

    return _ESCAPED.sub(replace, body)


def _unescaped_bytes(source: str, place: int, body: str) -> bytes:
    parts: list[bytes] = []
    last = 0
    for match in _ESCAPED.finditer(body):
        parts.append(body[last : match.start()].encode())
        last = match.end()
        number = match[1] or match[2]
        if number:
            parts.append(bytes([int(number, 16)]))
        elif match[5]:
            parts.append(bytes([int(match[5], 8)]))
        elif match[6]:
            parts.append(_plain(source, place, match[6]).encode())
        else:
            parts.append(chr(int(match[3] or match[4], 16)).encode())
    parts.append(body[last:].encode())
    return b"".join(parts)


def _plain(source: str, place: int, letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter in "\\'\"`?":
        return letter
    raise CompileError(source, place, f"Syntax error: token recognition error at: '\\{letter}'")
