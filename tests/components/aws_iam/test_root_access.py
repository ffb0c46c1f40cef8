"""The management account acts as a member's root user, for one task at a time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from maru.components.aws_iam import component
from maru.contracts.aws_access import OrganizationTold, Policy, Question
from maru.core.errors import Denied, MaruError
from tests.components.aws_iam.conftest import ACCOUNT, Bench, Iam

MEMBER = "222222222222"
AUDIT = {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}
ASSUMES = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": "*"}}'


class House:
    """An organization of two accounts."""

    def __init__(self) -> None:
        self.trusted = frozenset(["iam.amazonaws.com"])

    def above(self, account: str, kind: str) -> Sequence[Sequence[tuple[str, Policy]]]:
        return ()

    def organization_of(self, account: str) -> str:
        return "o-house"

    def told_of(self, account: str) -> OrganizationTold | None:
        return OrganizationTold("o-house", ACCOUNT, self.trusted, True) if account in (ACCOUNT, MEMBER) else None

    def path_of(self, account: str) -> str:
        return "o-house/r-root/"


async def assume(iam: Iam, target: str = MEMBER) -> Iam:
    keys = (await iam.sts("AssumeRoot", TargetPrincipal=target, TaskPolicyArn=AUDIT))["Credentials"]
    return iam.acting(keys["AccessKeyId"], keys["SessionToken"])


def may(iam: Iam, action: str, resource_policy: Policy | None = None) -> bool:
    question = Question(action, f"arn:aws:iam::{MEMBER}:root", resource_policy=resource_policy)
    return iam.gives.authorizer.decide(iam.caller, question, iam.circumstances).allowed


async def test_a_root_session_may_do_its_task_and_nothing_else(bench: Bench) -> None:
    bench.guardrails = (House(),)
    async with component.open(bench.needs()) as gives:
        iam = bench.iam(gives)
        ann = await iam.user("ann", ASSUMES)
        with pytest.raises(Denied):
            await assume(ann)
        assert (await iam("EnableOrganizationsRootSessions"))["EnabledFeatures"] == ["RootSessions"]
        root = await assume(ann)
        assert root.caller.arn == f"arn:aws:iam::{MEMBER}:root"
        assert (await root("ListAccessKeys"))["AccessKeyMetadata"] == []
        assert may(root, "iam:ListAccessKeys")
        assert not may(root, "s3:GetObject")
        opened = {"Statement": {"Effect": "Allow", "Principal": {"AWS": MEMBER}, "Action": "*", "Resource": "*"}}
        assert not may(root, "s3:GetObject", opened)
        for target in (ACCOUNT, "333333333333"):
            with pytest.raises(Denied):
                await assume(ann, target)
        await iam("DisableOrganizationsRootSessions")
        with pytest.raises(Denied):
            await assume(ann)


async def test_the_organization_must_trust_iam(bench: Bench) -> None:
    house = House()
    house.trusted = frozenset()
    bench.guardrails = (house,)
    async with component.open(bench.needs()) as gives:
        with pytest.raises(MaruError) as refused:
            await bench.iam(gives)("EnableOrganizationsRootCredentialsManagement")
    assert refused.value.details["code"] == "ServiceAccessNotEnabledException"
