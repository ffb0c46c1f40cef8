"""What every AwsAuthorizer and every AwsCredentials keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from msgspec.structs import replace

from maru.contracts.aws_access import (
    ANONYMOUS,
    AwsAuthorizer,
    AwsCaller,
    AwsCredentials,
    CallerKind,
    Circumstances,
    Policy,
    Question,
)
from maru.core.errors import Denied, Unauthenticated
from tests.fakes.clock import FakeClock

BUCKET = "arn:aws:s3:::photos"
OBJECT = f"{BUCKET}/a.jpg"
READER_ACTION = "s3:GetObject"
STRANGER_ACCOUNT = "210987654321"


@dataclass(frozen=True)
class AccessUnderTest:
    """reader: a user whose own policy allows READER_ACTION on everything; nobody: one without policies.

    root: of their account; stranger: a user of STRANGER_ACCOUNT whose own policy allows READER_ACTION, too.
    """

    authorizer: AwsAuthorizer
    reader: AwsCaller
    nobody: AwsCaller
    root: AwsCaller
    stranger: AwsCaller
    circumstances: Circumstances

    def may(self, caller: AwsCaller, question: Question) -> bool:
        return self.authorizer.decide(caller, question, self.circumstances).allowed

    def kind(self, caller: AwsCaller, question: Question) -> str:
        return self.authorizer.decide(caller, question, self.circumstances).kind


def policy(effect: str, principal: object, action: str = "s3:*") -> Policy:
    statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


class AwsAuthorizerSuite:
    """A test class derives from it and has a fixture `access` of AccessUnderTest."""

    def test_an_identity_policy_allows_what_it_names(self, access: AccessUnderTest) -> None:
        assert access.kind(access.reader, Question(READER_ACTION, OBJECT)) == "allowed"
        assert access.kind(access.reader, Question("s3:PutObject", OBJECT)) == "implicitDeny"
        assert access.kind(access.nobody, Question(READER_ACTION, OBJECT)) == "implicitDeny"

    def test_a_root_user_needs_no_policy(self, access: AccessUnderTest) -> None:
        assert access.may(access.root, Question("s3:PutObject", OBJECT))

    def test_an_explicit_deny_decides_over_everything(self, access: AccessUnderTest) -> None:
        question = Question(READER_ACTION, OBJECT, access.root.account, policy("Deny", "*"))
        for caller in (access.reader, access.root, access.nobody):
            assert access.kind(caller, question) == "explicitDeny"

    def test_a_resource_s_policy_suffices_for_who_it_names(self, access: AccessUnderTest) -> None:
        named = policy("Allow", {"AWS": access.nobody.arn})
        question = Question("s3:PutObject", OBJECT, access.root.account, named)
        assert access.may(access.nobody, question)
        assert not access.may(access.reader, question)

    def test_a_policy_that_delegates_leaves_it_to_the_account(self, access: AccessUnderTest) -> None:
        account = access.root.account
        by_root = policy("Allow", {"AWS": f"arn:aws:iam::{account}:root"})
        question = Question(READER_ACTION, OBJECT, account, by_root, delegates=True)
        assert access.may(access.reader, question)
        assert not access.may(access.nobody, question)
        alone = replace(question, resource_policy=policy("Allow", {"AWS": access.nobody.arn}))
        assert not access.may(access.reader, alone)
        assert access.may(access.nobody, alone)

    def test_across_accounts_both_sides_must_allow(self, access: AccessUnderTest) -> None:
        question = Question(READER_ACTION, OBJECT, access.root.account)
        assert not access.may(access.stranger, question)
        named = policy("Allow", {"AWS": access.stranger.arn})
        assert access.may(access.stranger, replace(question, resource_policy=named))
        assert not access.may(access.stranger, replace(question, resource_policy=named, action="s3:PutObject"))

    def test_only_a_resource_s_policy_lets_in_anybody_and_services(self, access: AccessUnderTest) -> None:
        question = Question(READER_ACTION, OBJECT, access.root.account)
        assert not access.may(ANONYMOUS, question)
        assert access.may(ANONYMOUS, replace(question, resource_policy=policy("Allow", "*")))
        name = "logs.amazonaws.com"
        service = AwsCaller(CallerKind.SERVICE, "", name, name, service=name)
        assert not access.may(service, question)
        assert access.may(service, replace(question, resource_policy=policy("Allow", {"Service": name})))

    def test_a_refusal_is_in_the_service_s_words(self, access: AccessUnderTest) -> None:
        for action, code in (("s3:PutObject", "AccessDenied"), ("kms:Encrypt", "AccessDeniedException")):
            with pytest.raises(Denied) as denied:
                access.authorizer.require(access.reader, Question(action, OBJECT), access.circumstances)
            assert denied.value.details["code"] == code
            assert denied.value.what == (
                f"User: {access.reader.arn} is not authorized to perform: {action} on resource: {OBJECT} because no "
                f"identity-based policy allows the {action} action"
            )
        access.authorizer.require(access.reader, Question(READER_ACTION, OBJECT), access.circumstances)


@dataclass(frozen=True)
class CredentialsUnderTest:
    """key: a lasting one of `caller` with `secret`; session_key, token: of a session that ends in an hour at most."""

    credentials: AwsCredentials
    clock: FakeClock
    caller: AwsCaller
    key: str
    secret: str
    session_key: str
    token: str


class AwsCredentialsSuite:
    """A test class derives from it and has a fixture `keys` of CredentialsUnderTest."""

    def test_a_lasting_key_is_its_user_s(self, keys: CredentialsUnderTest) -> None:
        found = keys.credentials.find(keys.key, "")
        assert (found.secret, found.token, found.caller.arn) == (keys.secret, "", keys.caller.arn)
        assert found.caller.access_key == keys.key
        assert found.caller.session is None

    def test_a_session_s_key_comes_with_its_token(self, keys: CredentialsUnderTest) -> None:
        found = keys.credentials.find(keys.session_key, keys.token)
        assert found.token == keys.token
        assert found.caller.session is not None
        for key, token in ((keys.session_key, ""), (keys.session_key, "x" + keys.token), (keys.key, keys.token)):
            assert self.code(keys, key, token) == "InvalidClientTokenId"

    def test_a_key_that_is_not_there_is_refused(self, keys: CredentialsUnderTest) -> None:
        assert self.code(keys, "AKIAAAAAAAAAAAAAAAAA", "") == "InvalidClientTokenId"

    async def test_a_session_ends(self, keys: CredentialsUnderTest) -> None:
        await keys.clock.advance(timedelta(hours=1, seconds=1).total_seconds())
        assert self.code(keys, keys.session_key, keys.token) == "ExpiredToken"
        assert keys.credentials.find(keys.key, "").secret == keys.secret

    def test_a_use_is_taken(self, keys: CredentialsUnderTest) -> None:
        for key, token in ((keys.key, ""), (keys.session_key, keys.token)):
            found = keys.credentials.find(key, token)
            keys.credentials.used(found.caller, "s3", "us-east-1", keys.clock.now())
            assert keys.credentials.find(key, token) == found

    def code(self, keys: CredentialsUnderTest, key: str, token: str) -> str:
        with pytest.raises(Unauthenticated) as refused:
            keys.credentials.find(key, token)
        return str(refused.value.details["code"])
