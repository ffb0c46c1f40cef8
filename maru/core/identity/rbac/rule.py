"""One policy rule: what it allows, and whether others together allow all of it.

`covers` is what keeps a person from giving away more than they have: every single right in a rule
must be held already. Source: k8s.io/component-helpers/auth/rbac/validation/policy_comparator.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from maru.core.access import Attributes
from maru.core.document import Value

ALL = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """verbs on resources of groups (names: empty for all), or verbs on paths; never both."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Value) -> Rule:
        """From a PolicyRule as JSON."""
        return cls(
            verbs=_strings(value, "verbs"),
            groups=_strings(value, "apiGroups"),
            resources=_strings(value, "resources"),
            names=_strings(value, "resourceNames"),
            paths=_strings(value, "nonResourceURLs"),
        )

    def to_value(self) -> Value:
        """As a PolicyRule in JSON; empty lists are left out."""
        fields = {
            "apiGroups": self.groups,
            "nonResourceURLs": self.paths,
            "resourceNames": self.names,
            "resources": self.resources,
            "verbs": self.verbs,
        }
        return {name: list(values) for name, values in fields.items() if values or name == "verbs"}

    def allows(self, attributes: Attributes) -> bool:
        """True if this rule alone allows it."""
        if not _has(self.verbs, attributes.verb):
            return False
        if not attributes.is_resource:
            return any(path_matches(pattern, attributes.path) for pattern in self.paths)
        return (
            _has(self.groups, attributes.group)
            and any(
                resource_matches(pattern, attributes.resource, attributes.subresource) for pattern in self.resources
            )
            and (not self.names or attributes.name in self.names)
        )

    def rights(self) -> Iterator[Rule]:
        """The rule taken apart into rules of one verb on one thing each."""
        for verb in self.verbs:
            for path in self.paths:
                yield Rule((verb,), paths=(path,))
            for group in self.groups:
                for resource in self.resources:
                    for name in self.names or ("",):
                        yield Rule((verb,), (group,), (resource,), (name,) if name else ())


def rules_of(role: Value) -> tuple[Rule, ...]:
    """The rules of a Role or ClusterRole; none if it has none."""
    return tuple(Rule.of(rule) for rule in role.get("rules") or ())


def uncovered(wanted: Iterable[Rule], held: Sequence[Rule]) -> list[Rule]:
    """The single rights of `wanted` that `held` does not give; empty if all are covered."""
    return [right for rule in wanted for right in rule.rights() if not any(_covers(have, right) for have in held)]


def resource_matches(pattern: str, resource: str, subresource: str) -> bool:
    """Whether a rule's resource (pods, pods/log, */scale, *) means this one."""
    if pattern == ALL:
        return True
    if not subresource:
        return pattern == resource
    return pattern in (f"{resource}/{subresource}", f"{ALL}/{subresource}")


def path_matches(pattern: str, path: str) -> bool:
    """Whether a rule's path (exact, or a prefix that ends with *) means this one."""
    if pattern in (ALL, path):
        return True
    return pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL))


def _covers(have: Rule, right: Rule) -> bool:
    """`right` is one of `Rule.rights`."""
    if not _has(have.verbs, right.verbs[0]):
        return False
    if right.paths:
        return any(path_matches(pattern, right.paths[0]) for pattern in have.paths)
    resource, _, subresource = right.resources[0].partition("/")
    return (
        _has(have.groups, right.groups[0])
        and any(resource_matches(pattern, resource, subresource) for pattern in have.resources)
        and (not have.names or (bool(right.names) and right.names[0] in have.names))
    )


def _has(values: Sequence[str], value: str) -> bool:
    return ALL in values or value in values


def _strings(value: Value, name: str) -> tuple[str, ...]:
    return tuple(value.get(name) or ())
