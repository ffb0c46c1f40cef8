"""Which networks a list or a prune means. Source: moby daemon/network/filter.go and prune.go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from maru.components.docker.model.overlay import is_ingress, shown_driver, shown_scope
from maru.contracts.container_network import Network
from maru.core.errors import Invalid
from maru.wire.docker.filters import Filters, boolean, has_labels
from maru.wire.docker.moments import parse_moment

LIST_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
PRUNE_FILTERS = ("until", "label", "label!")
_TYPES = ("builtin", "custom")


def accepts(network: Network, filters: Filters) -> bool:
    """Every filter given must accept; of one filter any value may, of labels all. Raises Invalid."""
    for kind in filters.get("type", ()):
        if kind not in _TYPES:
            raise Invalid(what=f"invalid filter: 'type'='{kind}'", why="")
    try:
        is_dangling = boolean(filters, "dangling")
    except ValueError as error:
        raise Invalid(what=str(error), why="") from error
    if is_dangling is not None and is_dangling != (not network.endpoints and not network.is_predefined):
        return False
    return (
        _one_of(shown_driver(network.spec), filters.get("driver"))
        and _one_of(shown_scope(network.spec), filters.get("scope"))
        and _one_of("builtin" if network.is_predefined else "custom", filters.get("type"))
        and _matches(network.id, filters.get("id"))
        and _matches(network.name, filters.get("name"))
        and has_labels(network.spec.labels, filters.get("label", ()))
    )


def is_pruned(network: Network, filters: Filters, now: datetime) -> bool:
    """Whether nobody uses it and the filters mean it. Raises Invalid."""
    if network.is_predefined or network.endpoints or is_ingress(network.spec):
        return False
    for text in filters.get("until", ()):
        try:
            if network.created_at > parse_moment(text, now):
                return False
        except ValueError as error:
            raise Invalid(what=str(error), why="") from error
    labels = network.spec.labels
    unwanted = any(has_labels(labels, [each]) for each in filters.get("label!", ()))
    return has_labels(labels, filters.get("label", ())) and not unwanted


def _one_of(value: str, wanted: Sequence[str] | None) -> bool:
    return not wanted or value in wanted


def _matches(value: str, patterns: Sequence[str] | None) -> bool:
    """dockerd takes each value as a regular expression, and as itself when it is none."""
    if not patterns:
        return True
    for pattern in patterns:
        try:
            if pattern == value or re.search(pattern, value):
                return True
        except re.error:
            continue
    return False
