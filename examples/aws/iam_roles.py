"""A role for a visitor: assumed with an external id, narrowed by a session policy, bounded by nothing it lacks.

    pip install boto3
    eval "$(maru env)" && python examples/aws/iam_roles.py

A user may assume one role, and only with the right external id; the session may do what role and session
policy both allow.
"""

from __future__ import annotations

import json
import os

import boto3
from botocore.exceptions import ClientError


def policy(action: str, **more: object) -> str:
    """One statement that allows `action`."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]})


def main() -> None:
    iam = boto3.client("iam")
    name = f"visitor-{os.urandom(4).hex()}"
    user = iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": "guests"}])["User"]
    iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=policy("sts:AssumeRole", Resource="*"))
    trust = policy(
        "sts:AssumeRole",
        Principal={"AWS": user["Arn"]},
        Condition={"StringEquals": {"sts:ExternalId": "number-7"}},
    )
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sts = boto3.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    try:
        sts.assume_role(RoleArn=role["Arn"], RoleSessionName="visit", ExternalId="number-8")
        raise AssertionError("the external id was not asked for")
    except ClientError as error:
        print(f"refused: {error.response['Error']['Message']}")
    keys = sts.assume_role(
        RoleArn=role["Arn"],
        RoleSessionName="visit",
        ExternalId="number-7",
        Policy=policy("iam:GetUser", Resource=f"arn:aws:iam::*:user/{name}"),
    )["Credentials"]
    visitor = boto3.client(
        "iam",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    print(f"may read {visitor.get_user(UserName=name)['User']['Arn']}")
    try:
        visitor.list_users()
        raise AssertionError("the session policy did not narrow")
    except ClientError as error:
        print(f"narrowed: {error.response['Error']['Message']}")


if __name__ == "__main__":
    main()
