"""Questions about access, asked as documents that are answered and never kept.

Source: k8s.io/kubernetes/pkg/registry/authorization and pkg/registry/authentication; the API
reference of authorization.k8s.io/v1 and authentication.k8s.io/v1.
"""

from __future__ import annotations

from maru.components.apiserver.engine.verbs.call import Call
from maru.components.apiserver.errors import bad_request, invalid
from maru.core.access import GROUP_MASTERS, Attributes, Caller
from maru.core.clock import Clock, rfc3339
from maru.core.document import Value
from maru.core.errors import Unauthenticated
from maru.core.identity.rbac.rolebook import RoleBook
from maru.core.identity.rbac.rule import Rule
from maru.core.identity.tokens import TokenIssuer
from maru.kinds.strategy import Cause

_EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",)))


class Reviews:
    """Answers reviews."""

    def __init__(self, book: RoleBook, tokens: TokenIssuer, clock: Clock) -> None:
        self._book = book
        self._tokens = tokens
        self._clock = clock

    async def self_access(self, call: Call, value: Value) -> Value:
        """SelfSubjectAccessReview: may I?"""
        return self._decided(call, value, call.caller)

    async def access(self, call: Call, value: Value) -> Value:
        """SubjectAccessReview: may they?"""
        return self._decided(call, value, _subject(call, value))

    async def local_access(self, call: Call, value: Value) -> Value:
        """LocalSubjectAccessReview: may they, in this namespace?"""
        asked = (value.get("spec") or {}).get("resourceAttributes") or {}
        if (asked.get("namespace") or "") != call.namespace:
            text = f'Invalid value: "{asked.get("namespace", "")}": must match metadata.namespace: {call.namespace}'
            raise invalid(
                call.served.resource, "", [Cause("spec.resourceAttributes.namespace", "FieldValueInvalid", text)]
            )
        return self._decided(call, value, _subject(call, value))

    async def self_rules(self, call: Call, value: Value) -> Value:
        """SelfSubjectRulesReview: all that I may, in one namespace."""
        namespace = (value.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise bad_request("no namespace on request")
        held = self._book.rules_for(call.caller, namespace)
        rules = [*held.rules, *(_EVERYTHING if GROUP_MASTERS in call.caller.groups else ())]
        status: Value = {
            "resourceRules": [rule.to_value() for rule in rules if not rule.paths],
            "nonResourceRules": [rule.to_value() for rule in rules if rule.paths],
            "incomplete": held.incomplete,
        }
        if held.fault:
            status["evaluationError"] = held.fault
        return {**value, "status": status}

    async def self_subject(self, call: Call, value: Value) -> Value:
        """SelfSubjectReview: who am I?"""
        metadata = {**value["metadata"], "creationTimestamp": rfc3339(self._clock.now())}
        return {**value, "metadata": metadata, "status": {"userInfo": user_info(call.caller)}}

    async def token(self, call: Call, value: Value) -> Value:
        """TokenReview: whose token is this?"""
        spec = value.get("spec") or {}
        text = spec.get("token") or ""
        if not text:
            raise bad_request("token is required for TokenReview in authentication")
        shown = {**value, "spec": spec}
        try:
            verified = self._tokens.verify(text, tuple(spec.get("audiences") or ()))
        except Unauthenticated as error:
            shown["status"] = {"user": {}, "error": f"[invalid bearer token, {error.why}]"}
            return shown
        shown["status"] = {
            "authenticated": True,
            "user": user_info(verified.caller),
            "audiences": list(verified.audiences),
        }
        return shown

    def _decided(self, call: Call, value: Value, caller: Caller) -> Value:
        decision = self._book.authorize(caller, _attributes(call, value))
        status: Value = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        return {**value, "status": status}


def user_info(caller: Caller) -> Value:
    """A caller as authentication.k8s.io/v1 UserInfo."""
    shown: Value = {"username": caller.name}
    if caller.uid:
        shown["uid"] = caller.uid
    if caller.groups:
        shown["groups"] = list(caller.groups)
    if caller.extra:
        shown["extra"] = {key: list(values) for key, values in caller.extra.items()}
    return shown


def _attributes(call: Call, value: Value) -> Attributes:
    spec = value.get("spec") or {}
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (path is None):
        word = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = Cause("spec.resourceAttributes", "FieldValueInvalid", f"Invalid value: {resource!r}: {word}")
        raise invalid(call.served.resource, "", [cause])
    if resource is None:
        assert path is not None, "one of the two is there"
        return Attributes(path.get("verb") or "", path=path.get("path") or "/")
    return Attributes(
        resource.get("verb") or "",
        resource.get("group") or "",
        resource.get("version") or "",
        resource.get("resource") or "",
        resource.get("subresource") or "",
        resource.get("namespace") or "",
        resource.get("name") or "",
    )


def _subject(call: Call, value: Value) -> Caller:
    spec = value.get("spec") or {}
    user, groups = spec.get("user") or "", tuple(spec.get("groups") or ())
    if not user and not groups:
        text = "Invalid value: null: at least one of user or group must be specified"
        raise invalid(call.served.resource, "", [Cause("spec.user", "FieldValueInvalid", text)])
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return Caller(user, groups, spec.get("uid") or "", extra)
