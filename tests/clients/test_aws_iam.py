"""IAM and STS as their clients use them: boto3, the aws command line, kubectl."""

from __future__ import annotations

import json
import uuid

import msgspec
import pytest
from botocore.exceptions import ClientError

from tests.clients.aws_clients import Aws
from tests.clients.platform import Kubectl, Platform, wait_until

READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:Get*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def aws(platform: Platform) -> Aws:
    return Aws.of(platform)


def fresh(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def test_the_first_key_is_the_root_users(aws: Aws) -> None:
    told = aws.cli("sts", "get-caller-identity")
    assert msgspec.json.decode(told.stdout)["Arn"] == "arn:aws:iam::123456789012:root"


def test_a_visitor_has_what_trust_role_and_session_allow(aws: Aws) -> None:
    printed = aws.example("iam_roles.py")
    assert "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/" in printed
    assert "because no session policy allows the iam:ListUsers action" in printed


def test_a_policy_comes_back_as_it_was_put_and_bad_ones_are_refused(aws: Aws) -> None:
    iam, name = aws.client("iam"), fresh("user")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=json.dumps(READ))
    assert iam.get_user_policy(UserName=name, PolicyName="read")["PolicyDocument"] == READ
    with pytest.raises(ClientError, match="Policy document must be version 2012-10-17 or greater"):
        iam.put_user_policy(
            UserName=name, PolicyName="bad", PolicyDocument=json.dumps({"Statement": READ["Statement"]})
        )
    with pytest.raises(ClientError, match="must delete policies first"):
        iam.delete_user(UserName=name)


def test_lists_come_in_pages(aws: Aws) -> None:
    iam, path = aws.client("iam"), f"/{fresh('path')}/"
    names = [f"{fresh('group')}" for _ in range(5)]
    for name in names:
        iam.create_group(GroupName=name, Path=path)
    pages = list(iam.get_paginator("list_groups").paginate(PathPrefix=path, PaginationConfig={"PageSize": 2}))
    assert [len(page["Groups"]) for page in pages] == [2, 2, 1]
    assert sorted(group["GroupName"] for page in pages for group in page["Groups"]) == sorted(names)


def test_a_user_applied_with_kubectl_is_a_user(aws: Aws, kubectl36: Kubectl) -> None:
    name = fresh("applied")
    manifest = {
        "apiVersion": "iam.aws.maru.dev/v1",
        "kind": "User",
        "metadata": {"name": name, "namespace": "aws-123456789012"},
        "spec": {"policies": {"read": READ}},
    }
    kubectl36.run("apply", "-n", "aws-123456789012", "-f", "-", stdin=json.dumps(manifest))
    iam = aws.client("iam")
    wait_until(lambda: name in {user["UserName"] for user in iam.list_users()["Users"]}, "the user is there")
    key = iam.create_access_key(UserName=name)["AccessKey"]
    simulated = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::123456789012:user/{name}", ActionNames=["iam:GetUser", "iam:ListUsers"]
    )
    decisions = {one["EvalActionName"]: one["EvalDecision"] for one in simulated["EvaluationResults"]}
    assert decisions == {"iam:GetUser": "allowed", "iam:ListUsers": "implicitDeny"}
    assert key["Status"] == "Active"


def test_maru_explains_who_may_and_counts_what_is_done(aws: Aws, platform: Platform) -> None:
    iam, name = aws.client("iam"), fresh("user")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=json.dumps(READ))
    told = platform.maru("aws", "explain", arn, "iam:GetUser", arn).stdout
    assert f"allowed: iam:GetUser on {arn} is allowed by {arn}, inline policy read, statement 1" in told
    refused = platform.maru("aws", "explain", arn, "iam:DeleteUser", arn, "-o", "json", check=False)
    assert refused.returncode == 1
    assert msgspec.json.decode(refused.stdout)["decision"] == "implicitDeny"
    (counted,) = msgspec.json.decode(platform.maru("aws", "coverage", "iam", "-o", "json").stdout)
    assert "CreateUser" in counted["done"]
    assert set(counted["missing"]).isdisjoint(counted["done"])


def test_the_last_use_of_a_key_is_told(aws: Aws) -> None:
    iam, name = aws.client("iam"), fresh("user")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    aws.named(key["AccessKeyId"], key["SecretAccessKey"]).client("sts", "eu-west-1").get_caller_identity()
    told = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
    assert (told["ServiceName"], told["Region"]) == ("sts", "eu-west-1")
    assert told["LastUsedDate"]
