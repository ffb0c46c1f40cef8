"""One instruction's arguments, in the form it asks for: a list, name=value pairs, a shell line.

Source: docs.docker.com/reference/dockerfile; texts of the errors as the classic builder has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from maru.wire.dockerfile.lines import DockerfileError, Document, Line
from maru.wire.dockerfile.words import split_raw

_FLAGS = {
    "FROM": {"platform"},
    "COPY": {"from", "chown", "chmod", "link", "parents", "exclude"},
    "ADD": {"chown", "chmod", "link", "keep-git-dir", "checksum", "exclude", "unpack"},
    "HEALTHCHECK": {"interval", "timeout", "start-period", "start-interval", "retries"},
    "RUN": {"mount", "network", "security", "device"},
}
_LISTS = frozenset({"RUN", "CMD", "ENTRYPOINT", "SHELL", "COPY", "ADD", "VOLUME"})
_ONE = frozenset({"WORKDIR", "USER", "STOPSIGNAL"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """words: unexpanded; is_list: they came as a JSON list. pairs: of ENV, LABEL and ARG, None without a value.

    text: all behind keyword and flags. original: the instruction on one line, as progress shows it.
    """

    keyword: str
    text: str
    original: str
    number: int = 1
    words: tuple[str, ...] = ()
    is_list: bool = False
    pairs: tuple[tuple[str, str | None], ...] = ()
    flags: dict[str, str] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()


def instruction_of(line: Line, escape: str = "\\") -> Instruction:
    """Raises DockerfileError."""
    keyword = line.keyword
    flags = _flags(line)
    if not line.rest and keyword not in ("CMD", "ENTRYPOINT", "RUN"):
        raise _wrong(line, f"{keyword} requires {_needs(keyword)}")
    if keyword == "RUN" and not line.rest:
        raise _wrong(line, "RUN requires at least one argument")
    words: Sequence[str] = ()
    is_list = False
    pairs: Sequence[tuple[str, str | None]] = ()
    if keyword in _LISTS and (found := _list(line.rest)) is not None:
        words, is_list = found, True
    elif keyword in ("ENV", "LABEL"):
        pairs = _pairs(line, escape)
    elif keyword == "ARG":
        pairs = [_pair(word) for word in split_raw(line.rest, escape)]
    elif keyword in ("RUN", "CMD", "ENTRYPOINT"):
        words = (line.rest,) if line.rest else ()
    elif keyword in _ONE or keyword in ("MAINTAINER", "ONBUILD"):
        words = (line.rest,)
    elif keyword == "HEALTHCHECK":
        words = tuple(line.rest.split(None, 1))
    else:
        words = split_raw(line.rest, escape)
    _check(line, words, is_list=is_list)
    return Instruction(
        keyword, line.rest, line.original, line.number, tuple(words), is_list, tuple(pairs), flags, line.documents
    )


def _check(line: Line, words: Sequence[str], *, is_list: bool) -> None:
    keyword = line.keyword
    if keyword in ("COPY", "ADD") and len(words) < 2:
        raise _wrong(
            line,
            f"{keyword} requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
        )
    if keyword == "SHELL" and (not is_list or not words):
        raise _wrong(
            line,
            "SHELL requires the arguments to be in JSON form"
            if not is_list
            else "SHELL requires at least one argument",
        )
    if keyword == "FROM" and len(words) != 1 and not (len(words) == 3 and words[1].upper() == "AS"):
        raise _wrong(line, "FROM requires either one or three arguments")
    if keyword == "ONBUILD":
        inner = line.rest.split(None, 1)[0].upper()
        if inner == "ONBUILD":
            raise _wrong(line, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
        if inner in ("MAINTAINER", "FROM"):
            raise _wrong(line, f"{inner} isn't allowed as an ONBUILD trigger")
    if keyword == "HEALTHCHECK":
        kind = words[0].upper()
        if kind not in ("NONE", "CMD"):
            raise _wrong(line, f'unknown type "{words[0]}" in HEALTHCHECK (try CMD)')
        if kind == "NONE" and len(words) > 1:
            raise _wrong(line, "HEALTHCHECK NONE takes no arguments")
        if kind == "CMD" and len(words) < 2:
            raise _wrong(line, "missing command after HEALTHCHECK CMD")


def _flags(line: Line) -> dict[str, str]:
    allowed = _FLAGS.get(line.keyword, set())
    found: dict[str, str] = {}
    for name, value in line.flags:
        if name not in allowed:
            raise _wrong(line, f"unknown flag: {name}")
        if name in found and name not in ("mount", "exclude"):
            raise _wrong(line, f"duplicate flag specified: {name}")
        found[name] = f"{found[name]}\n{value}" if name in found else value  # several of one name: a line each
    return found


def _pairs(line: Line, escape: str) -> list[tuple[str, str | None]]:
    words = split_raw(line.rest, escape)
    if "=" not in words[0]:
        # The old form: one name, and all the rest is its value.
        name, *rest = line.rest.split(None, 1)
        if not rest:
            raise _wrong(line, f"{line.keyword} must have two arguments")
        return [(name, rest[0])]
    pairs: list[tuple[str, str | None]] = []
    for word in words:
        if "=" not in word:
            raise DockerfileError(
                f'dockerfile parse error on line {line.number}: Syntax error - can\'t find = in "{word}". Must be of '
                "the form: name=value"
            )
        name, value = _pair(word)
        if not name:
            raise _wrong(line, f"{line.keyword} names can not be blank")
        pairs.append((name, value))
    return pairs


def _pair(word: str) -> tuple[str, str | None]:
    name, equals, value = word.partition("=")
    return name, value if equals else None


def _list(text: str) -> list[str] | None:
    if not text.startswith("["):
        return None
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.MsgspecError:
        return None


def _needs(keyword: str) -> str:
    if keyword in ("COPY", "ADD"):
        return "at least two arguments, but only zero were provided. Destination could not be determined"
    if keyword == "FROM":
        return "either one or three arguments"
    return "exactly one argument" if keyword in _ONE or keyword == "MAINTAINER" else "at least one argument"


def _wrong(line: Line, words: str) -> DockerfileError:
    return DockerfileError(f"dockerfile parse error on line {line.number}: {words}")
