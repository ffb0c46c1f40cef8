"""Who an AWS request is from, and whether it may: credentials and the policy engine, as others see them.

Identity policies, permission boundaries, session policies and service control policies are found by the
authorizer; whoever asks brings the resource's own policy and the facts of the request. What every request
makes anew is a Struct, made in a twentieth of a frozen dataclass's time; `msgspec.structs.replace` changes a copy.
Source: IAM User Guide, "Policy evaluation logic" and "AWS global condition context keys".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

from maru.core.document import Value

Policy = Value
"""A policy document, decoded: Version, Id, Statement."""

Fact = str | Sequence[str]
"""The value of a condition key: one, or (a key with several values) a tuple of them."""

NO_FACTS: Mapping[str, Fact] = MappingProxyType({})


class CallerKind(StrEnum):
    """Which kind of principal it is, in the words of ARNs where they have one."""

    ROOT = "root"
    USER = "user"
    ROLE = "assumed-role"
    FEDERATED = "federated-user"
    SERVICE = "service"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class AwsSession:
    """What temporary credentials add. issuer_arn: of the role or user they were made from.

    policies: session policies, each narrows; tags: session tags, transitive: the names that pass on to
    the next role; provider: of a web identity ("" elsewhere), provider_facts: its condition keys.
    """

    issuer_arn: str
    expires_at: datetime
    issued_at: datetime
    policies: tuple[Policy, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""
    has_mfa: bool = False
    provider: str = ""
    provider_facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AwsCaller:
    """An established principal. account: 12 digits; arn and user_id as GetCallerIdentity tells them.

    access_key: "" for a service that acts by itself. service: kms.amazonaws.com and the like, for SERVICE;
    via: the service through which a principal's request came (kms:ViaService), "" for its own.
    """

    kind: CallerKind
    account: str
    arn: str
    user_id: str
    access_key: str = ""
    session: AwsSession | None = None
    service: str = ""
    via: str = ""


ANONYMOUS = AwsCaller(CallerKind.ANONYMOUS, account="", arn="", user_id="anonymous")


@dataclass(frozen=True, slots=True)
class Credential:
    """secret: the secret access key. token: the session token that must come with it, "" for a lasting key."""

    secret: str
    caller: AwsCaller
    token: str = ""


class AwsCredentials(Protocol):
    """Finds who an access key belongs to, and remembers when it was last used."""

    def find(self, access_key: str, token: str) -> Credential:
        """Raises Unauthenticated with `code`: InvalidClientTokenId, ExpiredToken, or what the key's state says."""
        ...

    def used(self, caller: AwsCaller, service: str, region: str, at: datetime) -> None:
        """A request of `caller` to `service` (a signing name) in `region` was taken. Local; written later."""
        ...


class Question(Struct, frozen=True):
    """May `action` (kms:Encrypt) be done to `resource` (an ARN, or "*")?

    account: that owns the resource, "" for the caller's. resource_policy: the resource's own, None if it has
    none. delegates: the resource's policy must allow it, and one that names the account's root leaves it to the
    identity policies (KMS keys, trust policies); else an identity policy suffices within an account.
    facts: condition keys of the service and of the resource (aws:ResourceTag/x, kms:EncryptionContext:y),
    by their names in any case; the global ones are added by the authorizer from the call: see `Circumstances`.
    """

    action: str
    resource: str = "*"
    account: str = ""
    resource_policy: Policy | None = None
    delegates: bool = False
    facts: Mapping[str, Fact] = NO_FACTS


class Circumstances(Struct, frozen=True):
    """Of a request, for the global condition keys: aws:SourceIp, aws:SecureTransport, aws:RequestedRegion and so on."""

    now: datetime
    region: str = "us-east-1"
    source_ip: str = "127.0.0.1"
    is_secure: bool = False
    user_agent: str = ""
    referer: str = ""


class Verdict(Struct, frozen=True):
    """allowed, and why: `explanation` is one line for a person; decided_by: the policy and statement that decided.

    kind: allowed, explicitDeny, implicitDeny.
    """

    allowed: bool
    kind: str
    explanation: str
    decided_by: Sequence[str] = ()


class AwsAuthorizer(Protocol):
    """The policy engine over what is stored; a local read."""

    def decide(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> Verdict: ...

    def require(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> None:
        """Raises Denied (`code` AccessDeniedException unless a service says otherwise) in AWS's words.

        "User: ARN is not authorized to perform: ACTION on resource: ARN because no identity-based policy allows ..."
        """
        ...


@dataclass(frozen=True, slots=True)
class OrganizationTold:
    """What others may know of an organization. trusted: principals of the services that may act in its accounts."""

    id: str
    management: str
    trusted: frozenset[str]
    has_all_features: bool


class Guardrails(Protocol):
    """What an organization puts above its accounts: given by aws_organizations, asked by the policy engine."""

    def above(self, account: str, kind: str) -> Sequence[Sequence[tuple[str, Policy]]]:
        """The policies of `kind` (SERVICE_CONTROL_POLICY, RESOURCE_CONTROL_POLICY) that bind an account.

        From the root down to the account, one sequence of (policy id, document) for each level; every level must
        allow. Empty: nothing binds it (no organization, the type is not enabled, or it is the management account).
        What was answered is never changed: a change is told by another object.
        """
        ...

    def organization_of(self, account: str) -> str:
        """The organization's id (o-...), for aws:PrincipalOrgID; "" if the account is in none."""
        ...

    def told_of(self, account: str) -> OrganizationTold | None:
        """The organization of an account; None if it is in none."""
        ...

    def path_of(self, account: str) -> str:
        """o-.../r-.../ou-.../ for aws:PrincipalOrgPaths; "" if the account is in none."""
        ...
