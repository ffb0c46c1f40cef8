"""Regular expressions in RE2's syntax and in linear time, so that no pattern can hold the server.

Source: Kubernetes docs, "Common Expression Language in Kubernetes", regex library.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import re2

from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.functions import Entry, method


@lru_cache(maxsize=1024)
def pattern_of(text: str) -> Any:
    """The compiled pattern. Raises EvaluationError."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        said = error.args[0] if error.args else "bad pattern"
        shown = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise EvaluationError(f"error parsing regexp: {shown}") from None


def search(text: str, pattern: str) -> bool:
    """Whether `pattern` is found anywhere in `text`."""
    return pattern_of(pattern).search(text) is not None


def entries() -> Iterable[Entry]:
    """find and findAll."""
    yield method("find", "string,string", "string", _find)
    yield method("findAll", "string,string", "list<string>", _find_all)
    yield method("findAll", "string,string,int", "list<string>", _find_all)


def _find(text: str, pattern: str) -> str:
    found = pattern_of(pattern).search(text)
    return str(found.group()) if found is not None else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    found = [str(one.group()) for one in pattern_of(pattern).finditer(text)]
    return found if most < 0 else found[:most]
