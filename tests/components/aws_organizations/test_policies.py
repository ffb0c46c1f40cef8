"""Policies: what may be attached where, what binds an account, and what management policies add up to."""

from __future__ import annotations

import json

import pytest

from maru.components.aws_organizations.model.inheritance import effective
from maru.kinds.aws import ROOT_ACCOUNT
from tests.components.aws_organizations.conftest import SCP, Organizations

TAGS = '{"tags":{"team":{"tag_value":{"@@assign":["a"]}}}}'


async def enabled(organizations: Organizations, kind: str = "SERVICE_CONTROL_POLICY") -> None:
    await organizations.call("EnablePolicyType", RootId=await organizations.root_id(), PolicyType=kind)


def names(organizations: Organizations, account: str) -> list[list[str]]:
    levels = organizations.gives.guardrails.above(account, "SERVICE_CONTROL_POLICY")
    return [[name for name, _ in level] for level in levels]


async def test_full_access_is_attached_from_the_start(organizations: Organizations) -> None:
    (policy,) = (await organizations.call("ListPolicies", Filter="SERVICE_CONTROL_POLICY"))["Policies"]
    assert (policy["Id"], policy["AwsManaged"]) == ("p-FullAWSAccess", True)
    assert policy["Arn"] == "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
    targets = (await organizations.call("ListTargetsForPolicy", PolicyId="p-FullAWSAccess"))["Targets"]
    assert [target["Type"] for target in targets] == ["ROOT", "ACCOUNT"]
    assert (await organizations.fails("DeletePolicy", PolicyId="p-FullAWSAccess"))[2] == "IMMUTABLE_POLICY"


async def test_policies_bind_from_the_root_down_once_their_type_is_enabled(organizations: Organizations) -> None:
    root, account = await organizations.root_id(), await organizations.account("dev")
    unit = await organizations.unit(root, "u")
    await organizations.call("MoveAccount", AccountId=account, SourceParentId=root, DestinationParentId=unit)
    policy = await organizations.policy("deny")
    assert names(organizations, account) == []
    await enabled(organizations)
    await organizations.call("AttachPolicy", PolicyId=policy, TargetId=unit)
    full = "p-FullAWSAccess"
    assert names(organizations, account) == [[full], [full, policy], [full]]
    assert names(organizations, ROOT_ACCOUNT) == []
    await organizations.call("DetachPolicy", PolicyId=policy, TargetId=unit)
    assert names(organizations, account) == [[full], [full], [full]]
    await organizations.call("DisablePolicyType", RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    assert names(organizations, account) == []


async def test_the_last_service_control_policy_stays(organizations: Organizations) -> None:
    await enabled(organizations)
    account = await organizations.account("dev")
    failure = await organizations.fails("DetachPolicy", PolicyId="p-FullAWSAccess", TargetId=account)
    assert failure[2] == "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    for number in range(4):
        await organizations.call("AttachPolicy", PolicyId=await organizations.policy(f"p{number}"), TargetId=account)
    failure = await organizations.fails("AttachPolicy", PolicyId=await organizations.policy("p5"), TargetId=account)
    assert failure[2] == "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    policy = await organizations.policy("p6")
    assert (await organizations.fails("DetachPolicy", PolicyId=policy, TargetId=account))[
        0
    ] == "PolicyNotAttachedException"


async def test_resource_control_policies_have_their_own_full_access(organizations: Organizations) -> None:
    account = await organizations.account("dev")
    await enabled(organizations, "RESOURCE_CONTROL_POLICY")
    levels = organizations.gives.guardrails.above(account, "RESOURCE_CONTROL_POLICY")
    assert [[name for name, _ in level] for level in levels] == [["p-RCPFullAWSAccess"]] * 2
    failure = await organizations.fails("DetachPolicy", PolicyId="p-RCPFullAWSAccess", TargetId=account)
    assert failure[2] == "NON_DETACHABLE_POLICY"
    failure = await organizations.fails(
        "CreatePolicy", Name="n", Description="", Type="RESOURCE_CONTROL_POLICY", Content=SCP
    )
    assert failure[0] == "MalformedPolicyDocumentException"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("SERVICE_CONTROL_POLICY", "foobar"),
        ("SERVICE_CONTROL_POLICY", "{}"),
        ("SERVICE_CONTROL_POLICY", SCP.replace('"Action"', '"Principal":"*","Action"')),
        ("SERVICE_CONTROL_POLICY", SCP.replace("Deny", "Refuse")),
        ("TAG_POLICY", '{"plans":{}}'),
        ("TAG_POLICY", '{"tags":{"team":{"@@assing":["a"]}}}'),
        ("BACKUP_POLICY", "[]"),
    ],
)
async def test_a_malformed_policy_is_refused(organizations: Organizations, kind: str, content: str) -> None:
    failure = await organizations.fails("CreatePolicy", Name="n", Description="", Type=kind, Content=content)
    assert failure[:2] == (
        "MalformedPolicyDocumentException",
        "The provided policy document does not meet the requirements of the specified policy type.",
    )


async def test_a_policy_is_changed_and_deleted_when_nothing_has_it(organizations: Organizations) -> None:
    await enabled(organizations)
    policy = await organizations.policy("one")
    assert (
        await organizations.fails(
            "CreatePolicy", Name="one", Description="", Type="SERVICE_CONTROL_POLICY", Content=SCP
        )
    )[0] == ("DuplicatePolicyException")
    told = (await organizations.call("UpdatePolicy", PolicyId=policy, Name="two", Description="d"))["Policy"]
    assert (told["PolicySummary"]["Name"], told["Content"]) == ("two", SCP)
    root = await organizations.root_id()
    await organizations.call("AttachPolicy", PolicyId=policy, TargetId=root)
    failure = await organizations.fails("AttachPolicy", PolicyId=policy, TargetId=root)
    assert failure[0] == "DuplicatePolicyAttachmentException"
    assert (await organizations.fails("DeletePolicy", PolicyId=policy))[0] == "PolicyInUseException"
    await organizations.call("DetachPolicy", PolicyId=policy, TargetId=root)
    await organizations.call("DeletePolicy", PolicyId=policy)
    long = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["s3:x" * 2000], "Resource": "*"}]}
    )
    failure = await organizations.fails(
        "CreatePolicy", Name="n", Description="", Type="SERVICE_CONTROL_POLICY", Content=long
    )
    assert failure[2] == "POLICY_CONTENT_LIMIT_EXCEEDED"


async def test_a_management_policy_is_attached_once_its_type_is_enabled(organizations: Organizations) -> None:
    account = await organizations.account("dev")
    policy = await organizations.policy("t", TAGS, "TAG_POLICY")
    given = {"PolicyId": policy, "TargetId": account}
    assert (await organizations.fails("AttachPolicy", **given))[0] == "PolicyTypeNotEnabledException"
    asked = {"PolicyType": "TAG_POLICY", "TargetId": account}
    assert (await organizations.fails("DescribeEffectivePolicy", **asked))[0] == "EffectivePolicyNotFoundException"
    await enabled(organizations, "TAG_POLICY")
    await organizations.call("AttachPolicy", **given)
    told = (await organizations.call("DescribeEffectivePolicy", **asked))["EffectivePolicy"]
    assert json.loads(told["PolicyContent"]) == {"tags": {"team": {"tag_value": ["a"]}}}
    mine = await organizations.call("DescribeEffectivePolicy", account=account, PolicyType="TAG_POLICY")
    assert mine["EffectivePolicy"] == told


async def test_tags_are_of_everything_that_can_have_them(organizations: Organizations) -> None:
    root = await organizations.root_id()
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"organizations:*","Resource":"*"}]}'
    made = await organizations.call("PutResourcePolicy", Content=policy)
    for name in (
        root,
        await organizations.unit(root, "u"),
        await organizations.account("dev"),
        await organizations.policy("p"),
        made["ResourcePolicy"]["ResourcePolicySummary"]["Id"],
    ):
        for value in ("1", "2"):
            await organizations.call("TagResource", ResourceId=name, Tags=[{"Key": "a", "Value": value}])
        assert (await organizations.call("ListTagsForResource", ResourceId=name))["Tags"] == [
            {"Key": "a", "Value": "2"}
        ]
        await organizations.call("UntagResource", ResourceId=name, TagKeys=["a", "none"])
        assert (await organizations.call("ListTagsForResource", ResourceId=name))["Tags"] == []
    failure = await organizations.fails("TagResource", ResourceId="0A000000X000", Tags=[])
    assert failure[:2] == ("InvalidInputException", "You provided a value that does not match the required pattern.")


def value(**operators: object) -> dict[str, object]:
    return {"tags": {"c": {"v": {f"@@{name}": given for name, given in operators.items()}}}}


@pytest.mark.parametrize(
    ("levels", "wanted"),
    [
        ([[value(assign=["a"])], [value(append=["b", "a"])]], ["a", "b"]),
        ([[value(assign=["a", "b"])], [value(remove=["a"])]], ["b"]),
        ([[value(assign=["a"])], [value(assign=["b"])]], ["b"]),
        ([[value(assign=["a"], operators_allowed_for_child_policies=["@@none"])], [value(assign=["b"])]], ["a"]),
        (
            [
                [value(assign=["a"], operators_allowed_for_child_policies=["@@append"])],
                [value(assign=["b"]), value(append=["c"])],
            ],
            ["a", "c"],
        ),
        (
            [
                [value(assign=["a"], operators_allowed_for_child_policies=["@@append"])],
                [value(operators_allowed_for_child_policies=["@@all"])],
                [value(remove=["a"])],
            ],
            ["a"],
        ),
        (
            [
                [{"tags": {"@@operators_allowed_for_child_policies": ["@@none"], "c": {"v": {"@@assign": ["a"]}}}}],
                [value(append=["b"])],
            ],
            ["a"],
        ),
        ([[value(assign=["a"]), value(append=["b"])]], ["a", "b"]),
        ([[value(append=["a"])], []], ["a"]),
        ([[{"tags": {"c": {"v": "x"}}}], [value(assign="y")]], "y"),
    ],
)
def test_operators_add_up_from_the_root_down(levels: list[list[dict[str, object]]], wanted: object) -> None:
    assert effective(levels) == {"tags": {"c": {"v": wanted}}}


def test_without_any_policy_there_is_no_effective_one() -> None:
    assert effective([[], []]) is None


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("DescribePolicy", "You specified a policy that doesn't exist."),
        ("ListTargetsForPolicy", "You specified a policy that doesn't exist."),
        ("DeletePolicy", "We can't find a policy with the PolicyId that you specified."),
    ],
)
async def test_a_policy_that_is_not_there_is_told_in_the_operation_s_words(
    organizations: Organizations, operation: str, words: str
) -> None:
    code, text, _ = await organizations.fails(operation, PolicyId="p-12345678")
    assert (code, text) == ("PolicyNotFoundException", words)
