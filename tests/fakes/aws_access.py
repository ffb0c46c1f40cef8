"""An authorizer and credentials in memory: resource policies and lists of actions, without IAM's finer points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from maru.contracts.aws_access import AwsCaller, CallerKind, Circumstances, Credential, Question, Verdict
from maru.core.clock import Clock
from maru.core.document import Value
from maru.core.errors import Denied, Unauthenticated

_CODES = {"s3": "AccessDenied", "iam": "AccessDenied", "sts": "AccessDenied"}


@dataclass
class FakeAwsAuthorizer:
    """identity: patterns of actions by the ARN of who may do them; a root user may do everything."""

    identity: dict[str, Sequence[str]] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)

    def decide(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> Verdict:
        self.asked.append(question)
        patterns = ["*"] if caller.kind is CallerKind.ROOT else self.identity.get(caller.arn, ())
        may = any(fnmatchcase(question.action, pattern) for pattern in patterns)
        effects = [_effect(one, caller, question) for one in _statements(question.resource_policy)]
        if "Deny" in effects:
            return _verdict(caller, question, "explicitDeny", "with an explicit deny in a resource-based policy")
        named, delegated = "Allow" in effects, "Delegate" in effects
        if not caller.account:
            layer, allowed = "resource-based policy", named
        elif question.account and question.account != caller.account:
            layer = "resource-based policy" if may else "identity-based policy"
            allowed = may and (named or delegated)
        elif question.delegates and not (named or delegated):
            layer, allowed = "resource-based policy", False
        else:
            layer, allowed = "identity-based policy", named or may
        if allowed:
            return Verdict(True, "allowed", "")
        return _verdict(caller, question, "implicitDeny", f"because no {layer} allows the {question.action} action")

    def require(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> None:
        verdict = self.decide(caller, question, circumstances)
        if not verdict.allowed:
            code = _CODES.get(question.action.partition(":")[0], "AccessDeniedException")
            raise Denied(what=verdict.explanation, why="", code=code, status=403)


@dataclass
class FakeAwsCredentials:
    """known: by access key. uses: (ARN, service, region) of each request."""

    clock: Clock
    known: dict[str, Credential] = field(default_factory=dict)
    uses: list[tuple[str, str, str]] = field(default_factory=list)

    def find(self, access_key: str, token: str) -> Credential:
        credential = self.known.get(access_key)
        if credential is None or credential.token != token:
            raise Unauthenticated(what="The security token is invalid.", why="", code="InvalidClientTokenId")
        session = credential.caller.session
        if session is not None and session.expires_at <= self.clock.now():
            raise Unauthenticated(what="The security token is expired", why="", code="ExpiredToken")
        return credential

    def used(self, caller: AwsCaller, service: str, region: str, at: datetime) -> None:
        self.uses.append((caller.arn, service, region))


def _verdict(caller: AwsCaller, question: Question, kind: str, why: str) -> Verdict:
    who, on = caller.arn or "anonymous", f" on resource: {question.resource}" if question.resource != "*" else ""
    return Verdict(False, kind, f"User: {who} is not authorized to perform: {question.action}{on} {why}")


def _statements(policy: Value | None) -> Sequence[Value]:
    statements = policy["Statement"] if policy is not None else []
    return statements if isinstance(statements, list) else [statements]


def _effect(statement: Value, caller: AwsCaller, question: Question) -> str:
    """Allow, Deny, Delegate (to the caller's account), or "" for a statement that is about something else."""
    if not any(fnmatchcase(question.action, pattern) for pattern in _texts(statement["Action"])):
        return ""
    if not any(fnmatchcase(question.resource, pattern) for pattern in _texts(statement["Resource"])):
        return ""
    principal = statement["Principal"]
    named = {principal} if isinstance(principal, str) else {one for each in principal.values() for one in _texts(each)}
    issuer = caller.session.issuer_arn if caller.session is not None else ""
    if {"*", caller.arn, caller.service, issuer} & (named - {""}):
        return str(statement["Effect"])
    if f"arn:aws:iam::{caller.account}:root" in named:
        return "Delegate" if statement["Effect"] == "Allow" else "Deny"
    return ""


def _texts(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
