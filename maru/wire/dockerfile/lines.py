"""A Dockerfile's text as instructions: directives, continued lines, comments, flags, here-documents.

Nothing is expanded here. Comments and empty lines inside a continued instruction are left out, and a
here-document's lines belong to the instruction that opens it.
Source: docs.docker.com/reference/dockerfile, "Format", "Parser directives", "Here-Documents".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

KNOWN = frozenset(
    {"FROM", "RUN", "CMD", "LABEL", "MAINTAINER", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME", "USER"}
    | {"WORKDIR", "ARG", "ONBUILD", "STOPSIGNAL", "HEALTHCHECK", "SHELL"}
)
DOCUMENTS_MAX = 100  # here-documents of one instruction

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_FLAG = re.compile(r"--([a-zA-Z-]+)(?:=(\S*))?(?=\s|$)")
_OPENS = re.compile(r"(?:^|(?<=[\s;|&(0-9]))<<(-?)(['\"]?)([a-zA-Z_][a-zA-Z0-9_.-]*)\2(?=$|[\s;|&)])")
_TAKES_DOCUMENTS = frozenset({"RUN", "COPY", "ADD"})


class DockerfileError(ValueError):
    """Its text is the builder's own."""


@dataclass(frozen=True, slots=True)
class Document:
    """A here-document. is_literal: its name was quoted, so nothing in it is expanded."""

    name: str
    text: str
    is_literal: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction as written. keyword: upper case; rest: behind keyword and flags; original: on one line.

    number: of its first line, from 1. flags: in order, a flag without a value has "".
    """

    keyword: str
    rest: str
    original: str
    number: int
    flags: tuple[tuple[str, str], ...] = ()
    documents: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A whole Dockerfile. escape: the character that joins lines."""

    lines: Sequence[Line]
    escape: str = "\\"


def read(text: str) -> Source:
    """Raises DockerfileError."""
    physical = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(physical)
    lines: list[Line] = []
    at = 0
    while at < len(physical):
        if not physical[at].strip() or physical[at].lstrip().startswith("#"):
            at += 1
            continue
        number = at + 1
        logical, at = _joined(physical, at, escape)
        line = split(logical, number, escape)
        if line.keyword in _TAKES_DOCUMENTS and "<<" in line.rest:
            documents, at = _documents(line, physical, at)
            line = Line(line.keyword, line.rest, line.original, number, line.flags, documents)
        lines.append(line)
    if not lines:
        raise DockerfileError("file with no instructions")
    return Source(lines, escape)


def split(logical: str, number: int = 1, escape: str = "\\") -> Line:
    """One instruction on one line. Raises DockerfileError."""
    logical = logical.strip()
    pieces = logical.split(None, 1)
    word, rest = pieces[0], pieces[1] if len(pieces) > 1 else ""
    keyword = word.upper()
    if keyword not in KNOWN:
        raise DockerfileError(f"dockerfile parse error on line {number}: unknown instruction: {word}")
    flags: list[tuple[str, str]] = []
    if keyword != "ONBUILD":
        while (found := _FLAG.match(rest)) is not None:
            flags.append((found.group(1), found.group(2) or ""))
            rest = rest[found.end() :].lstrip()
    return Line(keyword, rest, f"{keyword} {logical[len(word) :].strip()}".strip(), number, tuple(flags))


def opened(text: str) -> list[tuple[str, bool, bool]]:
    """The here-documents a line opens: name, whether leading tabs go, whether nothing is expanded."""
    return [(found.group(3), bool(found.group(1)), bool(found.group(2))) for found in _OPENS.finditer(text)]


def _escape(physical: Sequence[str]) -> str:
    seen: set[str] = set()
    for line in physical:
        found = _DIRECTIVE.fullmatch(line.strip())
        if found is None:
            break
        name, value = found.group(1).lower(), found.group(2)
        if name not in ("escape", "syntax", "check"):
            break
        if name in seen:
            raise DockerfileError(f"dockerfile parse error: only one {name} parser directive can be used")
        seen.add(name)
        if name == "escape":
            if value not in ("\\", "`"):
                raise DockerfileError(f"dockerfile parse error: invalid escape token '{value}' does not match ` or \\")
            return value
    return "\\"


def _joined(physical: Sequence[str], at: int, escape: str) -> tuple[str, int]:
    parts: list[str] = []
    while at < len(physical):
        line = physical[at]
        at += 1
        if parts and (not line.strip() or line.lstrip().startswith("#")):
            continue
        stripped = line.rstrip()
        if stripped.endswith(escape):
            parts.append(stripped[:-1] if parts else stripped[:-1].lstrip())
            continue
        parts.append(line.rstrip() if parts else line.strip())
        break
    return "".join(parts), at


def _documents(line: Line, physical: Sequence[str], at: int) -> tuple[tuple[Document, ...], int]:
    found: list[Document] = []
    for name, is_stripped, is_literal in opened(line.rest)[:DOCUMENTS_MAX]:
        body: list[str] = []
        while True:
            if at >= len(physical):
                raise DockerfileError(f"dockerfile parse error on line {line.number}: unterminated heredoc")
            text = physical[at].lstrip("\t") if is_stripped else physical[at]
            at += 1
            if text == name:
                break
            body.append(text + "\n")
        found.append(Document(name, "".join(body), is_literal))
    return tuple(found), at
