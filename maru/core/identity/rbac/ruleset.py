"""All that one caller may do in one namespace, compiled so that a question is a few dictionary reads.

Entries stand under (verb, group, resource) with `*` as itself; a question tries each way of writing
what it asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from maru.core.access import Attributes
from maru.core.identity.rbac.rule import ALL, Rule, path_matches

_Entry = tuple[frozenset[str], str]
"""(names it is limited to, empty for all; where it comes from, for people)."""


class RuleSet:
    """Filled once, then asked. rules: in the order they were added. faults: roles that are not there."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.faults: list[str] = []
        self._entries: dict[tuple[str, str, str], list[_Entry]] = {}
        self._paths: list[tuple[tuple[str, ...], str, str]] = []  # (verbs, pattern, origin)

    def add(self, rule: Rule, origin: str) -> None:
        """origin: what a person is told about where it comes from."""
        self.rules.append(rule)
        names = frozenset(rule.names)
        for place in product(rule.verbs, rule.groups, rule.resources):
            self._entries.setdefault(place, []).append((names, origin))
        self._paths += [(rule.verbs, pattern, origin) for pattern in rule.paths]

    def find(self, attributes: Attributes) -> str | None:
        """Where the permission comes from, or None if there is none."""
        if not attributes.is_resource:
            return self._find_path(attributes)
        for place in _ways(attributes):
            for names, origin in self._entries.get(place, ()):
                if not names or attributes.name in names:
                    return origin
        return None

    def _find_path(self, attributes: Attributes) -> str | None:
        for verbs, pattern, origin in self._paths:
            if (attributes.verb in verbs or ALL in verbs) and path_matches(pattern, attributes.path):
                return origin
        return None


def _ways(attributes: Attributes) -> Iterator[tuple[str, str, str]]:
    """Each way a rule may write what is asked for."""
    subresource = attributes.subresource
    resources = (
        (f"{attributes.resource}/{subresource}", f"{ALL}/{subresource}", ALL)
        if subresource
        else (attributes.resource, ALL)
    )
    return product((attributes.verb, ALL), (attributes.group, ALL), resources)
