"""A decision in AWS's words, as its access denied messages have them since 2021.

Source: IAM User Guide, "Troubleshoot access denied error messages", examples for each policy type.
"""

from __future__ import annotations

from maru.components.aws_iam.model.policy.evaluation import EXPLICIT_DENY, Decision, Layer
from maru.components.aws_iam.model.policy.request import Request

_ARTICLES = {Layer.IDENTITY: "an"}


def reason(decision: Decision, request: Request) -> str:
    """ "because no identity-based policy allows the kms:Encrypt action" and the like; of a denial."""
    layer = decision.layer
    if decision.kind == EXPLICIT_DENY:
        return f"with an explicit deny in {_ARTICLES.get(layer, 'a')} {layer}"
    return f"because no {layer} allows the {request.action} action"


def refusal(decision: Decision, request: Request) -> str:
    """The whole message of a denied request."""
    who = request.principal.arn or "anonymous"
    on_resource = f" on resource: {request.resource}" if request.resource != "*" else ""
    return f"User: {who} is not authorized to perform: {request.action}{on_resource} {reason(decision, request)}"


def account_of(decision: Decision, request: Request) -> str:
    """One line for a person: what decided, and why."""
    if not decision.is_allowed:
        return refusal(decision, request)
    if decision.layer is Layer.ROOT:
        return f"{request.principal.arn} is the account's root user: {request.action} needs no policy"
    by = " and ".join(statement.label for statement in decision.statements)
    return f"{request.action} on {request.resource} is allowed by {by}"
