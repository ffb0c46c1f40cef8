"""Who may do what with a key: the question that every operation asks before it acts.

The key's policy and the caller's own decide; where these only say nothing, the grants on the key are
brought in as further statements of its policy.
Source: KMS Developer Guide, "Key access and permissions", "Condition keys for AWS KMS".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

import msgspec
from msgspec.structs import replace

from maru.components.aws_kms.api.vault import Target, Vault
from maru.components.aws_kms.model.documents import Key
from maru.components.aws_kms.model.grants import allows, with_grants
from maru.components.aws_kms.model.policies import is_policy
from maru.contracts.aws_access import (
    NO_FACTS,
    AwsAuthorizer,
    AwsCaller,
    CallerKind,
    Circumstances,
    Fact,
    Policy,
    Question,
)

_POLICIES_MAX = 4096
NO_CONTEXT: Mapping[str, str] = MappingProxyType({})


class Asking(Protocol):
    """Who asks, and of which region: an AwsCall, or another service."""

    @property
    def caller(self) -> AwsCaller: ...
    @property
    def circumstances(self) -> Circumstances: ...
    @property
    def region(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Asker:
    """An `Asking` that is no call."""

    caller: AwsCaller
    circumstances: Circumstances
    region: str


class Access(msgspec.Struct, frozen=True):
    """What an operation asks besides its name. tokens: grant tokens, which must be readable."""

    facts: Mapping[str, Fact] = NO_FACTS
    context: Mapping[str, str] = NO_CONTEXT
    tokens: Sequence[str] = ()


_PLAIN = Access()


class Gate:
    """See the module."""

    def __init__(self, vault: Vault, authorizer: AwsAuthorizer) -> None:
        self._vault = vault
        self._authorizer = authorizer

    def allow(self, asking: Asking, target: Target, operation: str, access: Access = _PLAIN) -> None:
        """Raises Denied in AWS's words, or Invalid for a grant token that is none."""
        for token in access.tokens:
            self._vault.grant_of_token(token)
        question = self._question(asking, target, operation, access)
        verdict = self._authorizer.decide(asking.caller, question, asking.circumstances)
        if verdict.allowed:
            return
        grants = self._vault.grants_on(target.key) if verdict.kind != "explicitDeny" else ()
        granting = [grant.fields for grant in grants if allows(grant.fields, operation, access.context)]
        if granting:
            principals = tuple((grant.grant_id, grant.grantee, grant.grantee_service) for grant in granting)
            policy = _granted(target.key.fields.policy, principals, question.action)
            question = replace(question, resource_policy=policy)
        self._authorizer.require(asking.caller, question, asking.circumstances)

    def allow_alone(
        self, asking: Asking, operation: str, resource: str = "*", facts: Mapping[str, Fact] | None = None
    ) -> None:
        """What is about no key: identity policies decide. Raises Denied."""
        every: dict[str, Fact] = {"kms:CallerAccount": asking.caller.account, **(facts or {})}
        self._authorizer.require(
            asking.caller, Question(f"kms:{operation}", resource, facts=every), asking.circumstances
        )

    def is_locked_out(self, asking: Asking, key_arn: str, policy: Policy) -> bool:
        """Whether `policy` keeps the caller, and its account's root, from putting another one."""
        account = key_arn.split(":")[4]
        question = Question("kms:PutKeyPolicy", key_arn, account=account, resource_policy=policy, delegates=True)
        root_arn = f"arn:aws:iam::{account}:root"
        root = AwsCaller(CallerKind.ROOT, account=account, arn=root_arn, user_id=account)
        return not any(
            self._authorizer.decide(caller, question, asking.circumstances).allowed for caller in (asking.caller, root)
        )

    def _question(self, asking: Asking, target: Target, operation: str, access: Access) -> Question:
        key = target.key
        policy = _decoded(key.fields.policy)
        facts = _Facts(self, asking, target, access)
        return Question(f"kms:{operation}", key.arn, key.account, policy, delegates=True, facts=facts)

    def facts(self, asking: Asking, target: Target, access: Access) -> Mapping[str, Fact]:
        """The condition keys of a question."""
        key = target.key
        fields = key.fields
        facts: dict[str, Fact] = {
            "kms:CallerAccount": asking.caller.account,
            "kms:KeySpec": fields.key_spec,
            "kms:KeyUsage": fields.key_usage,
            "kms:KeyOrigin": fields.origin,
            "kms:MultiRegion": "true" if fields.multi_region else "false",
        }
        if fields.multi_region:
            facts["kms:MultiRegionKeyType"] = self.multi_region_type(key)
        aliases = self._vault.aliases_of(key)
        if aliases:
            facts["kms:ResourceAliases"] = tuple(alias.fields.name for alias in aliases)
        if target.alias:
            facts["kms:RequestAlias"] = target.alias
        if asking.caller.via:
            facts["kms:ViaService"] = _via(asking.caller.via, asking.region)
        for name, value in fields.tags.items():
            facts[f"aws:ResourceTag/{name}"] = value
        if access.context:
            facts["kms:EncryptionContextKeys"] = tuple(access.context)
            for name, value in access.context.items():
                facts[f"kms:EncryptionContext:{name}"] = value
        facts.update(access.facts)
        return facts

    def multi_region_type(self, key: Key) -> str:
        """PRIMARY or REPLICA."""
        return "PRIMARY" if self._vault.related(key)[0].fields.region == key.fields.region else "REPLICA"


class _Facts(Mapping[str, Fact]):
    """The facts of a question, put together when a condition asks for the first of them, which is seldom."""

    __slots__ = ("_access", "_asking", "_gate", "_made", "_target")

    def __init__(self, gate: Gate, asking: Asking, target: Target, access: Access) -> None:
        self._gate = gate
        self._asking = asking
        self._target = target
        self._access = access
        self._made: Mapping[str, Fact] | None = None

    def _all(self) -> Mapping[str, Fact]:
        if self._made is None:
            self._made = self._gate.facts(self._asking, self._target, self._access)
        return self._made

    def __getitem__(self, name: str) -> Fact:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _via(service: str, region: str) -> str:
    """kms:ViaService names the region: s3.us-east-1.amazonaws.com."""
    name = service.split(".", 1)[0]
    return f"{name}.{region}.amazonaws.com"


@lru_cache(maxsize=_POLICIES_MAX)
def _decoded(policy: str) -> Policy:
    """A policy as it was put; shared, never changed. One that is none is empty."""
    if not is_policy(policy):
        return {"Statement": []}
    decoded: Policy = msgspec.json.decode(policy)
    return decoded


@lru_cache(maxsize=_POLICIES_MAX)
def _granted(policy: str, principals: tuple[tuple[str, str, str], ...], action: str) -> Policy:
    """The same value for the same grants, so that the policy engine compiles it once."""
    return with_grants(_decoded(policy), principals, action)
