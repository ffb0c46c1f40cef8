"""The fakes of AWS's access pass the suites of the real ones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maru.contracts.aws_access import AwsCaller, AwsSession, CallerKind, Circumstances, Credential
from tests.fakes.aws_access import FakeAwsAuthorizer, FakeAwsCredentials
from tests.fakes.clock import FakeClock
from tests.suites.aws_access import (
    READER_ACTION,
    STRANGER_ACCOUNT,
    AccessUnderTest,
    AwsAuthorizerSuite,
    AwsCredentialsSuite,
    CredentialsUnderTest,
)

ACCOUNT = "123456789012"


def user(name: str, account: str = ACCOUNT, key: str = "") -> AwsCaller:
    return AwsCaller(CallerKind.USER, account, f"arn:aws:iam::{account}:user/{name}", f"AIDA{name}", key)


class TestFakeAwsAuthorizer(AwsAuthorizerSuite):
    @pytest.fixture
    def access(self) -> AccessUnderTest:
        reader, stranger = user("reader"), user("stranger", STRANGER_ACCOUNT)
        authorizer = FakeAwsAuthorizer({reader.arn: [READER_ACTION], stranger.arn: [READER_ACTION]})
        root = AwsCaller(CallerKind.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
        return AccessUnderTest(authorizer, reader, user("nobody"), root, stranger, Circumstances(FakeClock().now()))


class TestFakeAwsCredentials(AwsCredentialsSuite):
    @pytest.fixture
    def keys(self) -> CredentialsUnderTest:
        clock = FakeClock()
        ann = user("ann", key="AKIAANN")
        session = AwsSession(ann.arn, clock.now() + timedelta(hours=1), clock.now())
        acting = AwsCaller(CallerKind.USER, ACCOUNT, ann.arn, ann.user_id, "ASIAANN", session)
        known = {"AKIAANN": Credential("secret", ann), "ASIAANN": Credential("other", acting, "token")}
        credentials = FakeAwsCredentials(clock, known)
        return CredentialsUnderTest(credentials, clock, ann, "AKIAANN", "secret", "ASIAANN", "token")
