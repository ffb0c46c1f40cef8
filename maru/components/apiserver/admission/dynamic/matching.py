"""Which writes a webhook or a policy is about: rules, scope, namespace and object selectors.

Source: admissionregistration/v1 RuleWithOperations, MatchResources; k8s.io/apiserver
pkg/admission/plugin/webhook/predicates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maru.components.apiserver.admission.review import Review
from maru.components.apiserver.model.catalog import Catalog, Served
from maru.core.document import Resource, Value, key_of
from maru.core.store.interface import Store
from maru.kinds.label_selector import from_selector
from maru.kinds.resources import NAMESPACES

CONFIGURATIONS = frozenset(
    {
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    }
)
GROUP = "admissionregistration.k8s.io"


def is_exempt(resource: Resource) -> bool:
    """What configures admission is never subject to it: nobody could mend it otherwise."""
    return resource.group == GROUP and resource.plural in CONFIGURATIONS


@dataclass(frozen=True, slots=True)
class Place:
    """The resource a webhook is shown a write as. served: how it is converted, None if not at all (a Scale, say)."""

    resource: Resource
    served: Served | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """What is matched against. equivalent: other versions of the resource count too."""

    rules: Sequence[Value]
    excluded: Sequence[Value]
    namespaces: Value | None
    objects: Value | None
    equivalent: bool


def of_webhook(webhook: Value) -> Match:
    """What a webhook is about."""
    return Match(
        webhook.get("rules") or (),
        (),
        webhook.get("namespaceSelector"),
        webhook.get("objectSelector"),
        webhook.get("matchPolicy") != "Exact",
    )


def of_policy(resources: Value) -> Match:
    """What a policy's matchConstraints or a binding's matchResources are about; None is about everything."""
    if resources is None:
        return Match(
            ({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*", "*/*"]},),
            (),
            {},
            {},
            True,
        )
    return Match(
        resources.get("resourceRules") or (),
        resources.get("excludeResourceRules") or (),
        resources.get("namespaceSelector"),
        resources.get("objectSelector"),
        resources.get("matchPolicy") != "Exact",
    )


class Matcher:
    """Decides for one store and catalog."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog
        self._generation = -1
        self._equivalents: dict[Resource, Sequence[Served]] = {}

    def place(self, match: Match, review: Review) -> Place | None:
        """As what the write is to be shown; None if it does not match."""
        if any(_covers(rule, review, review.resource) for rule in match.excluded):
            return None
        found = self._by_rules(match, review)
        if found is None or not self._selected(match.namespaces, self.namespace_labels(review)):
            return None
        return found if self._selects_object(match.objects, review) else None

    def namespace_labels(self, review: Review) -> Value | None:
        """The labels a namespaceSelector looks at; None where there is no namespace."""
        if review.resource.plural == "namespaces" and not review.resource.group:
            if review.subresource:
                return None
            holder = review.value or review.old or {}
            return dict((holder.get("metadata") or {}).get("labels") or {})
        if not review.namespace:
            return None
        namespace = self.namespace(review)
        return {} if namespace is None else dict((namespace.get("metadata") or {}).get("labels") or {})

    def namespace(self, review: Review) -> Value | None:
        """The namespace of what is written."""
        found = self._store.get(key_of(NAMESPACES, "", review.namespace)) if review.namespace else None
        return None if found is None else found.value

    def _by_rules(self, match: Match, review: Review) -> Place | None:
        if any(_covers(rule, review, review.resource) for rule in match.rules):
            return Place(review.resource, None if review.node is not None else self._catalog.of(review.resource))
        if not match.equivalent:
            return None
        for other in self._others(review.resource, review.stored):
            if any(_covers(rule, review, other.resource) for rule in match.rules):
                return Place(other.resource, None if review.node is not None else other)
        return None

    def _others(self, resource: Resource, stored: Resource) -> Sequence[Served]:
        """The other versions that the same documents are served in."""
        if self._generation != self._catalog.generation:
            self._generation, self._equivalents = self._catalog.generation, {}
        found = self._equivalents.get(resource)
        if found is None:
            found = self._equivalents[resource] = tuple(
                one
                for one in self._catalog.all
                if one.stored.storage == stored.storage and not one.is_virtual and one.resource != resource
            )
        return found

    def _selected(self, selector: Value | None, labels: Value | None) -> bool:
        return not selector or labels is None or from_selector(selector).matches(labels)

    def _selects_object(self, selector: Value | None, review: Review) -> bool:
        if not selector:
            return True
        wanted = from_selector(selector)
        holders = [one for one in (review.value, review.old) if one is not None]
        return any(wanted.matches((one.get("metadata") or {}).get("labels") or {}) for one in holders)


def _covers(rule: Value, review: Review, resource: Resource) -> bool:
    if not _has(rule.get("operations") or (), review.operation):
        return False
    if not _has(rule.get("apiGroups") or (), resource.group) or not _has(
        rule.get("apiVersions") or (), resource.version
    ):
        return False
    scope = rule.get("scope") or "*"
    if scope != "*" and (scope == "Namespaced") != (resource.namespaced and bool(review.namespace)):
        return False
    names = rule.get("resourceNames") or ()
    if names and review.name not in names:
        return False
    return any(_names(pattern, resource.plural, review.subresource) for pattern in rule.get("resources") or ())


def may_name(webhook: Value, resource: Resource, subresource: str) -> bool:
    """Whether a rule of the webhook names the resource, whatever the operation, version and scope."""
    return any(
        _has(rule.get("apiGroups") or (), resource.group)
        and any(_names(pattern, resource.plural, subresource) for pattern in rule.get("resources") or ())
        for rule in webhook.get("rules") or ()
    )


def _has(choices: Iterable[str], wanted: str) -> bool:
    return any(one in ("*", wanted) for one in choices)


def _names(pattern: str, plural: str, subresource: str) -> bool:
    resource, slash, below = pattern.partition("/")
    if resource not in ("*", plural):
        return False
    if subresource:
        return below in ("*", subresource)
    return not slash or below == "*"
