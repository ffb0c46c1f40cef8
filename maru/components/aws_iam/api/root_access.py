"""Central power over the root users of member accounts: which of it is on, and sessions of a member's root user.

A session is for one task: its policy is one of those that AWS manages for that. The management account alone
has this power; a delegated administrator of IAM does not have it here.
Source: IAM User Guide, "Centrally manage root access for member accounts"; IAM API reference,
EnableOrganizationsRootSessions and its like; STS API reference, AssumeRoot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.assuming import Sessions
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.errors import access_denied, coded, validation
from maru.components.aws_iam.model.sessions import SessionFields
from maru.contracts.aws_access import CallerKind, Guardrails, OrganizationTold, Question
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

CREDENTIALS, SESSIONS = "RootCredentialsManagement", "RootSessions"
TASKS = frozenset(
    f"arn:aws:iam::aws:policy/root-task/{name}"
    for name in (
        "IAMAuditRootUserCredentials",
        "IAMCreateRootUserPassword",
        "IAMDeleteRootUserCredentials",
        "S3UnlockBucketPolicy",
        "SQSUnlockQueuePolicy",
    )
)
SESSION_S_MAX = 900
_PRINCIPAL = "iam.amazonaws.com"
_TARGET = re.compile(r"(?:arn:aws:iam::)?(\d{12})(?::root)?")


class RootAccess:
    """Turns the powers on and off."""

    def __init__(self, book: Book, asker: Asker, guardrails: Sequence[Guardrails]) -> None:
        self._book = book
        self._asker = asker
        self._guardrails = guardrails

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        performs = {
            "EnableOrganizationsRootCredentialsManagement": self.enable_credentials,
            "DisableOrganizationsRootCredentialsManagement": self.disable_credentials,
            "EnableOrganizationsRootSessions": self.enable_sessions,
            "DisableOrganizationsRootSessions": self.disable_sessions,
            "ListOrganizationsFeatures": self.list_all,
        }
        return {name: AwsOperation(perform, self._asker.alone(name)) for name, perform in performs.items()}

    async def enable_credentials(self, call: AwsCall) -> Members:
        return await self._turn(call, CREDENTIALS, is_on=True)

    async def disable_credentials(self, call: AwsCall) -> Members:
        return await self._turn(call, CREDENTIALS, is_on=False)

    async def enable_sessions(self, call: AwsCall) -> Members:
        return await self._turn(call, SESSIONS, is_on=True)

    async def disable_sessions(self, call: AwsCall) -> Members:
        return await self._turn(call, SESSIONS, is_on=False)

    async def list_all(self, call: AwsCall) -> Members:
        organization = self._organization(call.account)
        if call.account != organization.management:
            raise coded(
                "AccountNotManagementOrDelegatedAdministratorException",
                "The caller's account is neither the management account nor a delegated administrator of IAM",
            )
        return self._told(organization)

    async def _turn(self, call: AwsCall, feature: str, *, is_on: bool) -> Members:
        organization = self._organization(call.account)
        if call.account != organization.management:
            raise coded("CallerIsNotManagementAccountException", "The caller's account is not the management account")
        if is_on:
            features = {*self._book.setting(call.account).root_features, feature}
        else:
            features = {*self._book.setting(call.account).root_features} - {feature}
        await self._book.set_setting(call.account, {"rootFeatures": sorted(features)})
        return self._told(organization)

    def _told(self, organization: OrganizationTold) -> Members:
        features = self._book.setting(organization.management).root_features
        return {"OrganizationId": organization.id, "EnabledFeatures": list(features)}

    def _organization(self, account: str) -> OrganizationTold:
        """Raises OrganizationNotFoundException and what else keeps IAM from acting in it."""
        organization = organization_of(self._guardrails, account)
        if organization is None:
            raise coded("OrganizationNotFoundException", "The caller's account is in no organization", 404)
        if not organization.has_all_features:
            raise coded("OrganizationNotInAllFeaturesModeException", "The organization has not all features enabled")
        if _PRINCIPAL not in organization.trusted:
            raise coded(
                "ServiceAccessNotEnabledException", f"Trusted access of {_PRINCIPAL} is not enabled in the organization"
            )
        return organization


class RootSessions:
    """AssumeRoot."""

    def __init__(self, book: Book, sessions: Sessions, guardrails: Sequence[Guardrails]) -> None:
        self._book = book
        self._sessions = sessions
        self._guardrails = guardrails

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {"AssumeRoot": AwsOperation(self.assume, _asks)}

    async def assume(self, call: AwsCall) -> Members:
        given, caller = call.parameters, call.caller
        target, task = _target(given), str(given["TaskPolicyArn"].get("arn") or "")
        root = f"arn:aws:iam::{target}:root"
        organization = organization_of(self._guardrails, call.account)
        is_ours = organization is not None and organization == organization_of(self._guardrails, target)
        if (
            organization is None
            or not is_ours
            or call.account != organization.management
            or target == organization.management
            or caller.kind is CallerKind.ROOT
            or SESSIONS not in self._book.setting(call.account).root_features
        ):
            raise access_denied(f"User: {caller.arn} is not authorized to perform: sts:AssumeRoot on resource: {root}")
        if task not in TASKS:
            raise validation(f"{task} is not a policy of a task of root users")
        duration_s = SESSION_S_MAX if given.get("DurationSeconds") is None else int(given["DurationSeconds"])
        if duration_s > SESSION_S_MAX:
            raise validation(
                f"1 validation error detected: Value '{duration_s}' at 'durationSeconds' failed to satisfy constraint: "
                f"Member must have value less than or equal to {SESSION_S_MAX}"
            )
        access_key, secret = self._sessions.key(target)
        now_s = self._sessions.now_s()
        source = caller.session.source_identity if caller.session is not None else ""
        fields = SessionFields(
            access_key, secret, CallerKind.ROOT, target, root, target, root, target, now_s, now_s + duration_s,
            policy_arns=(task,), source_identity=source, provider_facts={"aws:AssumedRoot": "true"},
        )  # fmt: skip
        return {"Credentials": self._sessions.credentials(fields), "SourceIdentity": source or None}


def organization_of(guardrails: Sequence[Guardrails], account: str) -> OrganizationTold | None:
    """The organization of an account, whoever knows it."""
    return next((found for one in guardrails if (found := one.told_of(account)) is not None), None)


def _asks(call: AwsCall) -> Sequence[Question]:
    facts = {"sts:TaskPolicyArn": str(call.parameters["TaskPolicyArn"].get("arn") or "")}
    return (Question("sts:AssumeRoot", f"arn:aws:iam::{_target(call.parameters)}:root", facts=facts),)


def _target(given: Members) -> str:
    found = _TARGET.fullmatch(given["TargetPrincipal"])
    if found is None:
        raise validation(f"{given['TargetPrincipal']} is neither an account nor the ARN of its root user")
    return found.group(1)
