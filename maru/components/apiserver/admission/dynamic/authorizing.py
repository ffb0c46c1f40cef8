"""The authorizer in CEL: may this caller do something else as well?

Source: Kubernetes docs, "Common Expression Language in Kubernetes", Kubernetes authorizer library.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from maru.components.apiserver.admission.review import Review
from maru.core.access import GROUP_AUTHENTICATED, Attributes, Authorizer, Caller, Decision
from maru.wire.cel.functions import Entry, function, method
from maru.wire.cel.values import Opaque


@dataclass(frozen=True, slots=True)
class Asking(Opaque):
    """The authorizer for one caller."""

    type_name = "kubernetes.authorization.Authorizer"
    authorizer: Authorizer
    caller: Caller
    own: Attributes | None = None  # the resource of the request itself

    def field(self, name: str) -> object:
        """requestResource: the question about what is written."""
        if name == "requestResource" and self.own is not None:
            return ResourceCheck(self, self.own)
        return super(Asking, self).field(name)

    def path(self, path: str) -> Check:
        """About a path outside of the API."""
        return Check(self, Attributes("", path=path or "/"))


@dataclass(frozen=True, slots=True)
class Check(Opaque):
    """A question about a path, whose verb is still to come."""

    type_name = "kubernetes.authorization.PathCheck"
    asking: Asking
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class GroupCheck(Opaque):
    """A group, whose resource is still to come."""

    type_name = "kubernetes.authorization.GroupCheck"
    asking: Asking
    group: str


@dataclass(frozen=True, slots=True)
class ResourceCheck(Opaque):
    """A question about a resource, whose verb is still to come."""

    type_name = "kubernetes.authorization.ResourceCheck"
    asking: Asking
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Answered(Opaque):
    """What the authorizer said."""

    type_name = "kubernetes.authorization.Decision"
    decision: Decision


def asking_of(authorizer: Authorizer, review: Review) -> Asking:
    """The authorizer as expressions about `review` have it."""
    resource = review.resource
    own = Attributes(
        "", resource.group, resource.version, resource.plural, review.subresource, review.namespace, review.name
    )
    return Asking(authorizer, review.caller, own)


def entries() -> Iterable[Entry]:
    """All functions of the authorizer."""
    whole, path, group = Asking.type_name, Check.type_name, GroupCheck.type_name
    resource, decision = ResourceCheck.type_name, Answered.type_name
    yield method("path", f"{whole},string", path, Asking.path)
    yield method("group", f"{whole},string", group, GroupCheck)
    yield method("serviceAccount", f"{whole},string,string", whole, _as_account)
    yield method("resource", f"{group},string", resource, _resource)
    yield method("subresource", f"{resource},string", resource, lambda one, text: _with(one, subresource=text))
    yield method("namespace", f"{resource},string", resource, lambda one, text: _with(one, namespace=text))
    yield method("name", f"{resource},string", resource, lambda one, text: _with(one, name=text))
    yield method("check", f"{resource},string", decision, _check)
    yield method("check", f"{path},string", decision, _check)
    yield method("allowed", decision, "bool", lambda one: one.decision.allowed)
    yield method("reason", decision, "string", lambda one: one.decision.reason)
    yield method("errored", decision, "bool", lambda one: False)
    yield method("error", decision, "string", lambda one: "")


def patch_entries() -> Iterable[Entry]:
    """jsonpatch.escapeKey, for mutations."""
    yield function("jsonpatch.escapeKey", "string", "string", lambda text: text.replace("~", "~0").replace("/", "~1"))


def _as_account(asking: Asking, namespace: str, name: str) -> Asking:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", GROUP_AUTHENTICATED)
    return Asking(asking.authorizer, Caller(f"system:serviceaccount:{namespace}:{name}", groups))


def _resource(one: GroupCheck, plural: str) -> ResourceCheck:
    return ResourceCheck(one.asking, Attributes("", one.group, "*", plural))


def _with(one: ResourceCheck, **more: str) -> ResourceCheck:
    return ResourceCheck(one.asking, replace(one.attributes, **more))


def _check(one: ResourceCheck | Check, verb: str) -> Answered:
    return Answered(one.asking.authorizer.authorize(one.asking.caller, replace(one.attributes, verb=verb)))
