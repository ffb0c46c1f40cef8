"""Names of indices: what is allowed, date math in them, and expressions with asterisks and minus.

Source: Elasticsearch reference, "Create index" (path parameters), "Multi-target syntax", "Date math support in
index names".
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatchcase

from maru.components.search.errors import failure
from maru.core.errors import MaruError
from maru.wire.elastic.dates import Format, math

_FORBIDDEN = '\\/*?"<>| ,#'


def check_name(name: str, what: str = "index") -> None:
    """Raises invalid_index_name_exception."""

    def bad(reason: str) -> MaruError:
        if what != "index":
            return failure(400, "invalid_alias_name_exception", f"Invalid alias name [{name}]: {reason}")
        return failure(
            400, "invalid_index_name_exception", f"Invalid index name [{name}], {reason}", index_uuid="_na_", index=name
        )

    if not name:
        raise bad("must not be empty")
    found = [letter for letter in name if letter in _FORBIDDEN]
    if found:
        if "#" in found and len(set(found)) == 1:
            raise bad("must not contain '#'")
        raise bad('must not contain the following characters [ , ", *, \\, <, |, ,, >, /, ?]')
    if ":" in name:
        raise bad("must not contain ':'")
    if name[0] in "_-+":
        raise bad("must not start with '_', '-', or '+'")
    if len(name.encode()) > 255:
        raise bad(f"index name is too long, ({len(name.encode())} > 255)")
    if name in (".", ".."):
        raise bad("must not be '.' or '..'")
    if what == "index" and name != name.lower():
        raise bad("must be lowercase")


def resolved_math(name: str, now: int) -> str:
    """`<logs-{now/d}>` with its date; other names as they are."""
    if not (name.startswith("<") and name.endswith(">")):
        return name

    def fill(found: re.Match[str]) -> str:
        expression, _, form = found[1].partition("{")
        form = form.rstrip("}") or "yyyy.MM.dd"
        return Format(form.partition("|")[0]).write(math(expression, now, Format("epoch_millis")))

    return re.sub(r"\{([^{}]+(?:\{[^{}]*\})?)\}", fill, name[1:-1])


def matching(pattern: str, names: Collection[str], *, hidden: Collection[str] = ()) -> list[str]:
    """Names that fit a pattern; hidden ones only where the pattern begins with a dot."""
    if pattern == "_all":
        pattern = "*"
    return [
        name
        for name in sorted(names)
        if fnmatchcase(name, pattern) and (name not in hidden or (pattern.startswith(".") and name.startswith(".")))
    ]


def is_pattern(expression: str) -> bool:
    """Whether it names several by asterisk."""
    return "*" in expression or expression == "_all"
