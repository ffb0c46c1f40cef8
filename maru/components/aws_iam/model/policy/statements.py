"""A policy document, compiled: each statement tells whether a request is its own.

Actions are compared without regard to case, resources with. A statement of an identity policy has no
principal and is about whoever the policy is attached to.
Source: IAM User Guide, "IAM JSON policy elements reference".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from maru.components.aws_iam.model.policy.conditions import Condition, as_texts, compile_block
from maru.components.aws_iam.model.policy.patterns import Matcher, glob, is_pattern
from maru.components.aws_iam.model.policy.principals import (
    Closeness,
    Naming,
    compile_not_principal,
    compile_principal,
)
from maru.components.aws_iam.model.policy.request import Request
from maru.components.aws_iam.model.policy.variables import filled_matcher, has_variable, template
from maru.core.document import Value

VARIABLES_SINCE = "2012-10-17"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. label: "policy name, statement 2 (Sid)"; naming: None in an identity policy."""

    label: str
    sid: str
    is_allow: bool
    has_action: Callable[[Request], bool]
    has_resource: Callable[[Request], bool]
    naming: Naming | None
    conditions: tuple[Condition, ...]

    def is_about(self, request: Request) -> bool:
        """Action, resource and conditions; the principal is another question."""
        if not self.has_action(request) or not self.has_resource(request):
            return False
        facts = request.facts
        for condition in self.conditions:  # noqa: SIM110 - the hot path: a generator costs more than the loop
            if not condition(facts):
                return False
        return True

    def closeness(self, request: Request) -> Closeness:
        """How closely it names who asks; ITSELF in an identity policy."""
        return Closeness.ITSELF if self.naming is None else self.naming(request.principal)


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """name: an ARN, or what a person knows the policy by."""

    name: str
    denies: tuple[Statement, ...]
    allows: tuple[Statement, ...]


def compile_policy(name: str, policy: Value) -> CompiledPolicy:
    """A document that was checked when it was put; what it has that no grammar knows matches nothing."""
    has_variables = policy.get("Version") == VARIABLES_SINCE
    written = policy.get("Statement") or []
    several = written if isinstance(written, list) else [written]
    statements = [
        _statement(name, place, one, has_variables=has_variables)
        for place, one in enumerate(several, start=1)
        if isinstance(one, dict)
    ]
    return CompiledPolicy(
        name,
        tuple(one for one in statements if not one.is_allow),
        tuple(one for one in statements if one.is_allow),
    )


def _statement(policy: str, place: int, written: Value, *, has_variables: bool) -> Statement:
    sid = str(written.get("Sid") or "")
    label = f"{policy}, statement {place}" + (f" ({sid})" if sid else "")
    naming: Naming | None = None
    if "Principal" in written:
        naming = compile_principal(written["Principal"])
    elif "NotPrincipal" in written:
        naming = compile_not_principal(written["NotPrincipal"])
    return Statement(
        label,
        sid,
        written.get("Effect") == "Allow",
        _actions(written),
        _resources(written, has_variables=has_variables),
        naming,
        compile_block(written.get("Condition") or {}, has_variables=has_variables),
    )


def _actions(written: Value) -> Callable[[Request], bool]:
    if "NotAction" in written:
        matches = _any_of(text.lower() for text in as_texts(written["NotAction"]))
        return lambda request: not matches(request.action_lower)
    matches = _any_of(text.lower() for text in as_texts(written.get("Action") or ()))
    return lambda request: matches(request.action_lower)


def _resources(written: Value, *, has_variables: bool) -> Callable[[Request], bool]:
    if "NotResource" in written:
        matches = _resource_test(as_texts(written["NotResource"]), has_variables=has_variables)
        return lambda request: not matches(request)
    if "Resource" not in written:
        return lambda request: True  # a trust policy: the resource is the role that has it
    return _resource_test(as_texts(written["Resource"]), has_variables=has_variables)


def _resource_test(texts: tuple[str, ...], *, has_variables: bool) -> Callable[[Request], bool]:
    if "*" in texts:
        return lambda request: True
    templates = [template(text) for text in texts if has_variables and has_variable(text)]
    matches = _any_of(text for text in texts if not (has_variables and has_variable(text)))
    if not templates:
        return lambda request: matches(request.resource)

    def test(request: Request) -> bool:
        if matches(request.resource):
            return True
        for unfilled in templates:
            filled = unfilled.fill(request.facts)
            if filled is not None and filled_matcher(filled)(request.resource):
                return True
        return False

    return test


def _any_of(texts: Iterable[str]) -> Matcher:
    every = tuple(texts)
    if "*" in every:
        return lambda value: True
    exact = frozenset(text for text in every if not is_pattern(text))
    patterns = tuple(glob(text) for text in every if is_pattern(text))
    if not patterns:
        return exact.__contains__
    if not exact and len(patterns) == 1:
        return patterns[0]

    def matches(value: str) -> bool:
        if value in exact:
            return True
        for pattern in patterns:  # noqa: SIM110 - the hot path
            if pattern(value):
                return True
        return False

    return matches
