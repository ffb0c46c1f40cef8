"""Values out of a document's source, by path, and source filtering.

Source: Elasticsearch reference, "The _source option"; XContentMapValues.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from maru.wire.elastic.json import Json, Object


def values_at(source: Json, path: str) -> list[Json]:
    """All scalars (and objects) at a dotted path, arrays flattened; dots in names are followed, too."""
    found: list[Json] = []
    _collect(source, path, found)
    return found


def _collect(value: Json, path: str, found: list[Json]) -> None:
    if isinstance(value, list):
        for one in value:
            _collect(one, path, found)
        return
    if not isinstance(value, dict):
        return
    if path in value:
        _take(value[path], found)
        return
    at = path.find(".")
    while at > 0:
        inner = value.get(path[:at])
        if inner is not None:
            _collect(inner, path[at + 1 :], found)
        at = path.find(".", at + 1)


def _take(value: Json, found: list[Json]) -> None:
    if isinstance(value, list):
        for one in value:
            _take(one, found)
    elif value is not None:
        found.append(value)


def raw_at(source: Json, path: str) -> Json:
    """The value at a path as it stands, arrays kept; None if there is none."""
    if not isinstance(source, dict):
        if isinstance(source, list):
            found = [one for one in (raw_at(item, path) for item in source) if one is not None]
            return found or None
        return None
    if path in source:
        return source[path]
    at = path.find(".")
    while at > 0:
        if path[:at] in source:
            inner = raw_at(source[path[:at]], path[at + 1 :])
            if inner is not None:
                return inner
        at = path.find(".", at + 1)
    return None


def filtered(source: Object, includes: Sequence[str], excludes: Sequence[str]) -> Object:
    """What of the source fits `includes` (empty: all) and not `excludes`; patterns with asterisks."""
    if not includes and not excludes:
        return source
    kept = _filter(source, "", tuple(includes), tuple(excludes))
    return kept if isinstance(kept, dict) else {}


def _filter(value: Object, prefix: str, includes: tuple[str, ...], excludes: tuple[str, ...]) -> Object:
    kept: Object = {}
    for name, inner in value.items():
        path = f"{prefix}{name}"
        if excludes and _fits(path, excludes):
            continue
        is_in = not includes or _fits(path, includes)
        below = () if is_in else includes
        if isinstance(inner, dict):
            part = _filter(inner, f"{path}.", below, excludes) if (below or excludes) else inner
            if part or (is_in and not inner):
                kept[name] = part
            continue
        if isinstance(inner, list) and any(isinstance(one, dict) for one in inner):
            parts = [
                _filter(one, f"{path}.", below, excludes) if isinstance(one, dict) else one
                for one in inner
                if isinstance(one, dict) or is_in
            ]
            parts = [one for one in parts if one != {} or is_in]
            if parts:
                kept[name] = parts
            continue
        if is_in:
            kept[name] = inner
    return kept


def _fits(path: str, patterns: tuple[str, ...]) -> bool:
    return _pattern(patterns).fullmatch(path) is not None


@lru_cache(maxsize=512)
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    parts = [re.escape(one).replace(r"\*", ".*") + r"(?:\..*)?" for one in patterns]
    return re.compile("|".join(parts))
