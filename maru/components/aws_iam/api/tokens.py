"""Sessions of users: GetSessionToken and GetFederationToken.

Source: STS API reference; IAM User Guide, "Request temporary security credentials".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from maru.components.aws_iam.api.assuming import Sessions
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.errors import access_denied, coded
from maru.components.aws_iam.model.durations import check_session_name, user_duration_s
from maru.components.aws_iam.model.sessions import SessionFields
from maru.contracts.aws_access import AwsCaller, CallerKind, Fact, Question
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Tokens:
    """See the module."""

    def __init__(self, book: Book, sessions: Sessions) -> None:
        self._book = book
        self._sessions = sessions

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name; GetSessionToken needs no policy, as AWS has it."""
        return {
            "GetSessionToken": AwsOperation(self.session),
            "GetFederationToken": AwsOperation(self.federation, _federation_asks),
            "DecodeAuthorizationMessage": AwsOperation(
                self.decode, lambda call: (Question("sts:DecodeAuthorizationMessage"),)
            ),
        }

    async def session(self, call: AwsCall) -> Members:
        given, caller = call.parameters, call.caller
        self._check_lasting(caller, "GetSessionToken")
        duration_s = user_duration_s(given.get("DurationSeconds"), caller)
        has_mfa = bool(given.get("SerialNumber"))
        if has_mfa and not self._book.check_code(caller, str(given["SerialNumber"]), str(given.get("TokenCode") or "")):
            raise access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
        fields = self._fields(caller, caller.arn, caller.user_id, caller.kind, duration_s)
        return {"Credentials": self._sessions.credentials(replace(fields, has_mfa=has_mfa))}

    async def federation(self, call: AwsCall) -> Members:
        given, caller = call.parameters, call.caller
        self._check_lasting(caller, "GetFederationToken")
        name = given["Name"]
        check_session_name(name, "name", 32)
        duration_s = user_duration_s(given.get("DurationSeconds"), caller)
        narrowing = self._sessions.narrowing(given, call.account)
        arn, user_id = f"arn:aws:sts::{call.account}:federated-user/{name}", f"{call.account}:{name}"
        base = self._fields(caller, arn, user_id, CallerKind.FEDERATED, duration_s)
        fields = replace(base, policies=narrowing.policies, policy_arns=narrowing.policy_arns, tags=narrowing.tags)
        return {
            "Credentials": self._sessions.credentials(fields),
            "FederatedUser": {"FederatedUserId": user_id, "Arn": arn},
            "PackedPolicySize": narrowing.percent,
        }

    async def decode(self, call: AwsCall) -> Members:
        """Nothing here encodes its refusals, so no message is one of ours."""
        raise coded("InvalidAuthorizationMessageException", "Message is not valid")

    def _check_lasting(self, caller: AwsCaller, operation: str) -> None:
        if caller.session is not None or caller.kind not in (CallerKind.USER, CallerKind.ROOT):
            raise access_denied(f"Cannot call {operation} with session credentials")

    def _fields(self, caller: AwsCaller, arn: str, user_id: str, kind: CallerKind, duration_s: int) -> SessionFields:
        access_key, secret = self._sessions.key(caller.account)
        now_s = self._sessions.now_s()
        return SessionFields(
            access_key=access_key,
            secret=secret,
            kind=kind,
            account=caller.account,
            arn=arn,
            user_id=user_id,
            issuer_arn=caller.arn,
            issuer_id=caller.user_id,
            issued_at=now_s,
            expires_at=now_s + duration_s,
        )


def _federation_asks(call: AwsCall) -> Sequence[Question]:
    name = call.parameters.get("Name", "")
    facts: dict[str, Fact] = {
        f"aws:RequestTag/{tag['Key']}": str(tag.get("Value", "")) for tag in call.parameters.get("Tags") or ()
    }
    resource = f"arn:aws:sts::{call.account}:federated-user/{name}"
    return (Question("sts:GetFederationToken", resource, facts=facts),)
