"""A service control policy stops even the administrator of a member account.

    pip install boto3
    eval "$(maru env)" && python examples/aws/organization_guardrails.py

An account is made and moved into a unit; its administrator role makes a KMS key, until a policy on the unit
says no. The management account is never bound.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

import boto3
from botocore.exceptions import ClientError

DENY_KMS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "kms:CreateKey", "Resource": "*"}],
}


def main() -> None:
    organizations, sts = boto3.client("organizations"), boto3.client("sts")
    with suppress(organizations.exceptions.AlreadyInOrganizationException):
        organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]
    if not any(kind["Type"] == "SERVICE_CONTROL_POLICY" for kind in root["PolicyTypes"]):
        organizations.enable_policy_type(RootId=root["Id"], PolicyType="SERVICE_CONTROL_POLICY")

    name = f"sandbox-{os.urandom(4).hex()}"
    made = organizations.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"]
    account = made["AccountId"]
    unit = organizations.create_organizational_unit(ParentId=root["Id"], Name=name)["OrganizationalUnit"]["Id"]
    organizations.move_account(AccountId=account, SourceParentId=root["Id"], DestinationParentId=unit)
    print(f"account {account} stands in {unit}")

    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    keys = sts.assume_role(RoleArn=role, RoleSessionName="example")["Credentials"]
    member = boto3.client(
        "kms",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    print(f"its administrator makes {member.create_key()['KeyMetadata']['Arn']}")

    policy = organizations.create_policy(
        Name=name, Description="no new keys", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(DENY_KMS)
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy, TargetId=unit)
    try:
        member.create_key()
        raise AssertionError("the policy did not bind")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        print(f"now it is refused: {error.response['Error']['Message']}")
    assert boto3.client("kms").create_key()
    print("the management account is not bound")

    organizations.detach_policy(PolicyId=policy, TargetId=unit)
    assert member.create_key()
    print("detached, and it may again")


if __name__ == "__main__":
    main()
