"""IAM's authorizer and credentials keep what their contracts promise."""

from __future__ import annotations

import msgspec
import pytest

from maru.contracts.aws_access import AwsCaller, CallerKind
from tests.components.aws_iam.conftest import Iam
from tests.suites.aws_access import (
    READER_ACTION,
    STRANGER_ACCOUNT,
    AccessUnderTest,
    AwsAuthorizerSuite,
    AwsCredentialsSuite,
    CredentialsUnderTest,
)

READS = msgspec.json.encode(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": READER_ACTION, "Resource": "*"}}
).decode()


class TestPolicyAuthorizer(AwsAuthorizerSuite):
    @pytest.fixture
    async def access(self, iam: Iam) -> AccessUnderTest:
        reader, nobody = await iam.user("reader", READS), await iam.user("nobody")
        arn = f"arn:aws:iam::{STRANGER_ACCOUNT}:root"
        other = AwsCaller(CallerKind.ROOT, STRANGER_ACCOUNT, arn, STRANGER_ACCOUNT)
        stranger = await Iam(iam.gives, iam.clock, iam.clients, iam.data_dir, other).user("stranger", READS)
        return AccessUnderTest(
            iam.gives.authorizer, reader.caller, nobody.caller, iam.caller, stranger.caller, iam.circumstances
        )


class TestCredentials(AwsCredentialsSuite):
    @pytest.fixture
    async def keys(self, iam: Iam) -> CredentialsUnderTest:
        await iam("CreateUser", UserName="ann")
        made = (await iam("CreateAccessKey", UserName="ann"))["AccessKey"]
        ann = iam.acting(made["AccessKeyId"])
        session = (await ann.sts("GetSessionToken", DurationSeconds=3600))["Credentials"]
        return CredentialsUnderTest(
            iam.gives.credentials, iam.clock, ann.caller, made["AccessKeyId"], made["SecretAccessKey"],
            session["AccessKeyId"], session["SessionToken"],
        )  # fmt: skip
