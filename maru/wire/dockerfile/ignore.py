"""Patterns of paths: those of .dockerignore, and those of COPY and ADD.

A later pattern wins over an earlier one, `!` takes back in, `**` is any number of folders.
Source: docs.docker.com/build/concepts/context, ".dockerignore files"; Go's path/filepath.Match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def read_ignore(text: str) -> list[str]:
    """The patterns of a .dockerignore, cleaned: no leading slash, no trailing one."""
    patterns = []
    for line in text.removeprefix("\ufeff").splitlines():
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        sign = "!" if pattern.startswith("!") else ""
        clean = "/".join(part for part in pattern.removeprefix("!").strip().split("/") if part not in ("", "."))
        if clean:
            patterns.append(sign + clean)
    return patterns


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether the last pattern that fits the path, or a folder it is in, keeps it out."""
    parts = path.split("/")
    folders = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    is_out = False
    for pattern in patterns:
        is_taken_in = pattern.startswith("!")
        if is_taken_in != is_out:
            continue
        expression = re.compile(_expression(pattern.removeprefix("!"), has_deep=True))
        if any(expression.fullmatch(folder) for folder in folders):
            is_out = not is_taken_in
    return is_out


def has_pattern(path: str) -> bool:
    """Whether it means several paths."""
    return any(char in path for char in "*?[")


def fits(path: str, pattern: str) -> bool:
    """As a COPY source: `*` stays within one folder."""
    return re.fullmatch(_expression(pattern, has_deep=False), path) is not None


def _expression(pattern: str, *, has_deep: bool) -> str:
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if has_deep and pattern[at : at + 1] == "*":
                at += 1
                if pattern[at : at + 1] == "/":
                    at += 1
                    out += "(?:.*/)?"
                else:
                    out += ".*"
            else:
                out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[" and (end := pattern.find("]", at + 1)) > 0:
            inside = pattern[at:end].replace("\\", "\\\\")
            out += f"[{inside}]"
            at = end + 1
        elif char == "\\" and at < len(pattern):
            out += re.escape(pattern[at])
            at += 1
        else:
            out += re.escape(char)
    return out
