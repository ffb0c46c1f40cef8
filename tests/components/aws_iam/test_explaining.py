"""`maru aws explain` is told which statement of which policy decides, by the authorizer that decides."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import msgspec
import pytest

from maru.cli import local_http
from maru.core.document import Value
from maru.core.errors import MaruError
from tests.components.aws_iam.conftest import ACCOUNT, ANY_POLICY, Iam
from tests.components.aws_iam.test_roles import ASSUME, role, trust

ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"


async def explained(iam: Iam, principal: str, action: str, resource: str = "*", **context: Any) -> Value:
    body = io.BytesIO(
        msgspec.json.encode({"principal": principal, "action": action, "resource": resource, "context": context})
    )
    path = iam.data_dir / "run" / "aws-iam.sock"
    answer = await asyncio.to_thread(local_http.request, path, "POST", "/explain", body)
    told: Value = msgspec.json.decode(await asyncio.to_thread(answer.read))
    return told


def deciding(told: Value) -> list[tuple[str, str, str]]:
    return [(one["layer"], one["policy"], one["statement"]) for one in told["statements"] if one["decided"]]


async def test_the_statement_that_decides_is_told(iam: Iam) -> None:
    await iam.user("ann", ANY_POLICY)
    told = await explained(iam, ANN, "s3:GetObject", "arn:aws:s3:::b/k")
    assert told["decision"] == "allowed"
    assert deciding(told) == [("identity-based policy", f"{ANN}, inline policy p", "statement 1")]
    deny = '{"Version":"2012-10-17","Statement":{"Sid":"No","Effect":"Deny","Action":"s3:Get*","Resource":"*"}}'
    await iam("PutUserPolicy", UserName="ann", PolicyName="q", PolicyDocument=deny)
    told = await explained(iam, ANN, "s3:GetObject", "arn:aws:s3:::b/k")
    assert told["decision"] == "explicitDeny"
    assert deciding(told) == [("identity-based policy", f"{ANN}, inline policy q", "statement 1 (No)")]


async def test_a_boundary_that_does_not_allow_is_told(iam: Iam) -> None:
    await iam.user("ann", ANY_POLICY)
    arn = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
    await iam("PutUserPermissionsBoundary", UserName="ann", PermissionsBoundary=arn)
    told = await explained(iam, ANN, "s3:GetObject", "arn:aws:s3:::b/k")
    assert (told["decision"], told["layer"]) == ("implicitDeny", "permissions boundary")
    assert told["policies"]["permissions boundary"] == [arn]


async def test_conditions_hold_against_what_is_given(iam: Iam) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
    }
    await iam.user("ann", msgspec.json.encode({"Version": "2012-10-17", "Statement": statement}).decode())
    assert (await explained(iam, ANN, "s3:GetObject"))["decision"] == "implicitDeny"
    told = await explained(iam, ANN, "s3:GetObject", **{"aws:SourceVpce": ["vpce-1"]})
    assert told["decision"] == "allowed"


async def test_a_trust_policy_is_found_for_its_role(iam: Iam) -> None:
    await iam.user("ann", ASSUME)
    other = await role(iam, "other", trust({"AWS": "210987654321"}))
    own = await role(iam, "own", trust({"AWS": ACCOUNT}))
    assert (await explained(iam, ANN, "sts:AssumeRole", other))["layer"] == "resource-based policy"
    assert (await explained(iam, ANN, "sts:AssumeRole", own))["decision"] == "allowed"
    assert (await explained(iam, own, "s3:GetObject"))["decision"] == "allowed"


@pytest.mark.parametrize(
    ("principal", "action", "complaint"),
    [
        ("ann", "s3:GetObject", "not the ARN"),
        (f"arn:aws:iam::{ACCOUNT}:user/zed", "s3:GetObject", "there is none"),
        (f"arn:aws:iam::{ACCOUNT}:group/all", "s3:GetObject", "a group is not explained"),
        (ANN, "s3", "no action"),
        (ANN, "s3:*", "no action"),
    ],
)
async def test_what_cannot_be_explained_is_said(iam: Iam, principal: str, action: str, complaint: str) -> None:
    with pytest.raises(MaruError, match=complaint):
        await explained(iam, principal, action)
