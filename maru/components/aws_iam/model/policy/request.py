"""What a policy is held against: an action on a resource by a principal, and the facts of the request.

Facts are looked up by name only when a condition or a variable asks for one, so that a request of an
administrator costs none of them.
Source: IAM User Guide, "AWS global condition context keys", "How enforcement code logic evaluates requests".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Facts = Callable[[str], tuple[str, ...] | None]
"""The values of a condition key (lower case), or None if the request has none of that name."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. arn: the session's or user's. role_arn: of a role session, or the user that a federated session was

    made by, "" elsewhere. account: "" for an anonymous one or a service. service: all names of a service principal;
    provider: of a web identity or SAML assertion.
    """

    account: str
    arn: str
    role_arn: str = ""
    service: str = ""
    provider: str = ""
    user_id: str = ""
    is_anonymous: bool = False
    is_root: bool = False
    is_federated: bool = False
    is_service_linked: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """action: as the service spells it; resource: an ARN or "*"; resource_account: who owns the resource."""

    principal: Principal
    action: str
    action_lower: str
    resource: str
    resource_account: str
    facts: Facts
