"""The `filters` query: a JSON object from a name to values.

Two forms are in use: {"label": ["a=b"]} and the older {"label": {"a=b": true}}.
Source: Docker Engine API v1.50, ContainerList `filters`; moby api/types/filters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

Filters = Mapping[str, Sequence[str]]


def parse_filters(text: str, known: Collection[str]) -> Filters:
    """By name. Raises ValueError with the Engine's words for what cannot be read or is not known."""
    try:
        given = msgspec.json.decode(text or "{}", type=dict[str, list[str] | dict[str, bool]])
    except msgspec.MsgspecError as error:
        raise ValueError(f"invalid filter: {error}") from error
    parsed: dict[str, list[str]] = {}
    for name, values in given.items():
        if name not in known:
            raise ValueError(f"invalid filter '{name}'")
        parsed[name] = [value for value, is_on in values.items() if is_on] if isinstance(values, dict) else values
    return {name: values for name, values in parsed.items() if values}


def has_labels(labels: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether every KEY or KEY=VALUE holds."""
    for each in wanted:
        key, equals, value = each.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True


def boolean(filters: Filters, name: str) -> bool | None:
    """A filter that is true or false; None when it is not given. Raises ValueError."""
    values = filters.get(name)
    if not values:
        return None
    if values[0].lower() in ("1", "true"):
        return True
    if values[0].lower() in ("0", "false"):
        return False
    raise ValueError(f"invalid filter '{name}={values[0]}'")
