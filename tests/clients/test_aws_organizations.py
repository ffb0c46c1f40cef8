"""Organizations as its clients use it: boto3, the aws command line."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress

import msgspec
import pytest
from botocore.exceptions import ClientError

from tests.clients.aws_clients import Aws
from tests.clients.platform import Kubectl, Platform


@pytest.fixture(scope="module")
def aws(platform: Platform) -> Aws:
    running = Aws.of(platform)
    organizations = running.client("organizations")
    with suppress(organizations.exceptions.AlreadyInOrganizationException):
        organizations.create_organization(FeatureSet="ALL")
    return running


def made(aws: Aws) -> str:
    name = f"a-{uuid.uuid4().hex[:8]}"
    status = aws.client("organizations").create_account(AccountName=name, Email=f"{name}@example.com")
    assert status["CreateAccountStatus"]["State"] == "SUCCEEDED"
    account: str = status["CreateAccountStatus"]["AccountId"]
    return account


def test_the_command_line_makes_an_account(aws: Aws) -> None:
    name = f"a-{uuid.uuid4().hex[:8]}"
    told = aws.cli("organizations", "create-account", "--account-name", name, "--email", f"{name}@example.com")
    status = msgspec.json.decode(told.stdout)["CreateAccountStatus"]
    assert (status["State"], status["AccountName"]) == ("SUCCEEDED", name)


def test_a_policy_above_stops_a_members_administrator(aws: Aws) -> None:
    printed = aws.example("organization_guardrails.py")
    assert "with an explicit deny in a service control policy" in printed
    assert "detached, and it may again" in printed


def test_an_account_is_a_real_one(aws: Aws, platform: Platform) -> None:
    account = made(aws)
    shown = Kubectl(platform, "v36", "default").json("get", "accounts.organizations.aws.maru.dev", account)
    assert shown["spec"]["joinedMethod"] == "CREATED"
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    member = aws.named(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert member.client("sts").get_caller_identity()["Account"] == account
    assert member.client("kms").list_keys()["Keys"] == []
    arn = member.client("kms").create_key()["KeyMetadata"]["Arn"]
    assert f":{account}:" in arn
    assert arn not in [key["KeyArn"] for key in aws.client("kms").list_keys(Limit=1000)["Keys"]]
    with pytest.raises(ClientError, match="You don't have permissions"):
        member.client("organizations").list_accounts()


def test_the_effective_policy_is_computed(aws: Aws) -> None:
    organizations, account = aws.client("organizations"), made(aws)
    root = organizations.list_roots()["Roots"][0]
    if not any(kind["Type"] == "TAG_POLICY" for kind in root["PolicyTypes"]):
        organizations.enable_policy_type(RootId=root["Id"], PolicyType="TAG_POLICY")
    for target, content in (
        (root["Id"], {"tags": {"team": {"tag_key": {"@@assign": "Team"}, "tag_value": {"@@assign": ["a"]}}}}),
        (account, {"tags": {"team": {"tag_value": {"@@append": ["b"]}}}}),
    ):
        policy = organizations.create_policy(
            Name=uuid.uuid4().hex, Description="", Type="TAG_POLICY", Content=json.dumps(content)
        )["Policy"]["PolicySummary"]["Id"]
        organizations.attach_policy(PolicyId=policy, TargetId=target)
    told = organizations.describe_effective_policy(PolicyType="TAG_POLICY", TargetId=account)["EffectivePolicy"]
    assert json.loads(told["PolicyContent"]) == {"tags": {"team": {"tag_key": "Team", "tag_value": ["a", "b"]}}}


def test_paginators_see_every_account_once(aws: Aws) -> None:
    accounts = {made(aws) for _ in range(3)}
    pages = aws.client("organizations").get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 2})
    seen = [account["Id"] for page in pages for account in page["Accounts"]]
    assert len(seen) == len(set(seen)) and accounts <= set(seen)
