"""The decision: which layers of policies must allow a request, and which may deny it.

An explicit deny in any layer decides. Then every level of resource control and service control policies
must allow; then the resource's policy or the identity policies, bounded by permissions boundary and session
policies; across accounts, both. The account's root needs no identity policy.
Source: IAM User Guide, "Policy evaluation logic", its flow charts for one account and across accounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from maru.components.aws_iam.model.policy.principals import Closeness
from maru.components.aws_iam.model.policy.request import Request
from maru.components.aws_iam.model.policy.statements import CompiledPolicy, Statement

Levels = Sequence[Sequence[CompiledPolicy]]
"""From the root of an organization down to an account; every level must allow."""

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"


class Layer(StrEnum):
    """A kind of policy, as AWS names it when it denies."""

    SCP = "service control policy"
    RCP = "resource control policy"
    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    RESOURCE = "resource-based policy"
    ROOT = "account's root user"


@dataclass(frozen=True, slots=True)
class Layers:
    """What is held against a request. boundary, session, resource: None where there is none.

    session: () allows nothing. delegates: the resource's policy must allow, itself or by naming the account.
    """

    identity: Sequence[CompiledPolicy] = ()
    boundary: CompiledPolicy | None = None
    session: Sequence[CompiledPolicy] | None = None
    resource: CompiledPolicy | None = None
    scps: Levels = ()
    rcps: Levels = ()
    delegates: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """layer: that denied, or that allowed; statements: those that decided."""

    kind: str
    layer: Layer
    statements: Sequence[Statement] = field(default=())

    @property
    def is_allowed(self) -> bool:
        return self.kind == ALLOWED


def evaluate(request: Request, layers: Layers) -> Decision:
    """Whether `request` is allowed, and by what."""
    denial = _explicit_denial(request, layers)
    if denial is not None:
        return denial
    for layer, levels in ((Layer.RCP, layers.rcps), (Layer.SCP, layers.scps)):
        for level in levels:
            if _allowing(request, level) is None:
                return Decision(IMPLICIT_DENY, layer)
    statement, closeness = _resource_allow(request, layers.resource)
    principal = request.principal
    if principal.is_anonymous or principal.service:
        return _alone(statement, closeness)
    if principal.account != request.resource_account:
        return _across(request, layers, statement)
    return _within(request, layers, statement, closeness)


def _within(request: Request, layers: Layers, statement: Statement | None, closeness: Closeness) -> Decision:
    """Principal and resource are of one account."""
    if statement is not None and closeness is Closeness.ITSELF:
        return Decision(ALLOWED, Layer.RESOURCE, (statement,))
    if layers.delegates and statement is None:
        return Decision(IMPLICIT_DENY, Layer.RESOURCE)
    if statement is not None and closeness is Closeness.ROLE:
        return _bounded(request, layers) or Decision(ALLOWED, Layer.RESOURCE, (statement,))
    return _by_identity(request, layers)


def _across(request: Request, layers: Layers, statement: Statement | None) -> Decision:
    """The resource is another account's: both sides must allow."""
    identity = _by_identity(request, layers)
    if not identity.is_allowed:
        return identity
    if statement is None:
        return Decision(IMPLICIT_DENY, Layer.RESOURCE)
    return Decision(ALLOWED, Layer.RESOURCE, (*identity.statements, statement))


def _by_identity(request: Request, layers: Layers) -> Decision:
    if request.principal.is_root:
        return _bounded(request, layers) or Decision(ALLOWED, Layer.ROOT)
    allowing = _allowing(request, layers.identity)
    if allowing is None:
        return Decision(IMPLICIT_DENY, Layer.IDENTITY)
    return _bounded(request, layers) or Decision(ALLOWED, Layer.IDENTITY, (allowing,))


def _bounded(request: Request, layers: Layers) -> Decision | None:
    """The denial of a boundary or session policy that does not allow."""
    if layers.boundary is not None and _allowing(request, (layers.boundary,)) is None:
        return Decision(IMPLICIT_DENY, Layer.BOUNDARY)
    if layers.session is not None and _allowing(request, layers.session) is None:
        return Decision(IMPLICIT_DENY, Layer.SESSION)
    return None


def _alone(statement: Statement | None, closeness: Closeness) -> Decision:
    """Nobody's account: the resource's policy alone decides."""
    if statement is None or closeness is Closeness.NOT:
        return Decision(IMPLICIT_DENY, Layer.RESOURCE)
    return Decision(ALLOWED, Layer.RESOURCE, (statement,))


def _explicit_denial(request: Request, layers: Layers) -> Decision | None:
    for layer, levels in ((Layer.RCP, layers.rcps), (Layer.SCP, layers.scps)):
        for level in levels:
            if (found := _denying(request, level)) is not None:
                return Decision(EXPLICIT_DENY, layer, (found,))
    if (found := _denying(request, layers.identity)) is not None:
        return Decision(EXPLICIT_DENY, Layer.IDENTITY, (found,))
    if layers.boundary is not None and (found := _denying(request, (layers.boundary,))) is not None:
        return Decision(EXPLICIT_DENY, Layer.BOUNDARY, (found,))
    if layers.session and (found := _denying(request, layers.session)) is not None:
        return Decision(EXPLICIT_DENY, Layer.SESSION, (found,))
    if layers.resource is not None and (found := _denying(request, (layers.resource,))) is not None:
        return Decision(EXPLICIT_DENY, Layer.RESOURCE, (found,))
    return None


def _allowing(request: Request, policies: Sequence[CompiledPolicy]) -> Statement | None:
    for policy in policies:
        for statement in policy.allows:
            if statement.is_about(request):
                return statement
    return None


def _denying(request: Request, policies: Sequence[CompiledPolicy]) -> Statement | None:
    for policy in policies:
        for statement in policy.denies:
            if statement.is_about(request) and statement.closeness(request) is not Closeness.NOT:
                return statement
    return None


def _resource_allow(request: Request, policy: CompiledPolicy | None) -> tuple[Statement | None, Closeness]:
    """The statement that names the principal most closely."""
    found: Statement | None = None
    closest = Closeness.NOT
    for statement in policy.allows if policy is not None else ():
        closeness = statement.closeness(request)
        if closeness > closest and statement.is_about(request):
            found, closest = statement, closeness
    return found, closest
