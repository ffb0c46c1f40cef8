"""Decisions are kept as long as nothing they depend on changed, and no longer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from maru.components.aws_iam import component
from maru.components.aws_iam.api.authorizer import PolicyAuthorizer
from maru.contracts.aws_access import Policy, Question
from tests.components.aws_iam.conftest import ACCOUNT, ANY_POLICY, Bench, Iam


def policy(effect: str, action: str, **more: Any) -> Policy:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*", **more}]}


def may(iam: Iam, question: Question, **circumstances: Any) -> bool:
    here = replace(iam.circumstances, **circumstances)
    return iam.gives.authorizer.decide(iam.caller, question, here).allowed


async def test_a_condition_is_asked_every_time(iam: Iam) -> None:
    from_home = policy("Allow", "s3:*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    ann = await iam.user("ann", msgspec.json.encode(from_home).decode())
    question = Question("s3:GetObject", "arn:aws:s3:::b/k")
    assert [may(ann, question, source_ip=address) for address in ("10.0.0.1", "8.8.8.8", "10.0.0.1")] == [
        True,
        False,
        True,
    ]


async def test_a_resource_variable_is_filled_every_time(iam: Iam) -> None:
    own = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${s3:prefix}"}
    ann = await iam.user("ann", msgspec.json.encode({"Version": "2012-10-17", "Statement": [own]}).decode())
    question = Question("s3:GetObject", "arn:aws:s3:::b/a", facts={"s3:prefix": "a"})
    assert may(ann, question)
    assert not may(ann, replace(question, facts={"s3:prefix": "b"}))


async def test_a_changed_policy_decides_at_once(iam: Iam) -> None:
    ann = await iam.user("ann", ANY_POLICY)
    question = Question("s3:GetObject", "arn:aws:s3:::b/k")
    assert may(ann, question)
    deny = msgspec.json.encode(policy("Deny", "s3:*")).decode()
    await iam("PutUserPolicy", UserName="ann", PolicyName="q", PolicyDocument=deny)
    assert not may(ann, question)
    await iam("DeleteUserPolicy", UserName="ann", PolicyName="q")
    assert may(ann, question)


async def test_each_resource_policy_decides_for_itself(iam: Iam) -> None:
    ann = await iam.user("ann")
    question = Question("s3:GetObject", "arn:aws:s3:::b/k", ACCOUNT)
    for _ in range(2):
        for effect in ("Allow", "Deny"):
            asked = replace(question, resource_policy=policy(effect, "s3:*", Principal="*"))
            assert may(ann, asked) is (effect == "Allow")
        assert not may(ann, question)


async def test_a_change_of_one_user_leaves_what_is_known_of_the_others(iam: Iam) -> None:
    ann, bob = await iam.user("ann", ANY_POLICY), await iam.user("bob")
    authorizer = iam.gives.authorizer
    assert isinstance(authorizer, PolicyAuthorizer)
    of_ann, of_bob = authorizer.standing(ann.caller), authorizer.standing(bob.caller)
    await iam("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=ANY_POLICY)
    assert authorizer.standing(ann.caller) is of_ann
    assert authorizer.standing(bob.caller) is not of_bob
    credentials = iam.gives.credentials
    assert credentials.find(ann.caller.access_key, "").caller is ann.caller


class Ceiling:
    """One level over every account."""

    def __init__(self, policy: Policy) -> None:
        self.levels: Sequence[Sequence[tuple[str, Policy]]] = [[("p-1", policy)]]

    def above(self, account: str, kind: str) -> Sequence[Sequence[tuple[str, Policy]]]:
        return self.levels if kind == "SERVICE_CONTROL_POLICY" else ()

    def organization_of(self, account: str) -> str:
        return ""

    def told_of(self, account: str) -> None:
        return None

    def path_of(self, account: str) -> str:
        return ""


async def test_a_changed_guardrail_decides_at_once(bench: Bench) -> None:
    ceiling = Ceiling(policy("Allow", "*"))
    bench.guardrails = (ceiling,)
    async with component.open(bench.needs()) as gives:
        ann = await bench.iam(gives).user("ann", ANY_POLICY)
        question = Question("s3:GetObject", "arn:aws:s3:::b/k")
        assert may(ann, question)
        ceiling.levels = Ceiling(policy("Allow", "ec2:*")).levels
        assert not may(ann, question)
