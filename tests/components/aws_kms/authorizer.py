"""An authorizer for tests: resource policies and lists of actions, without IAM's finer points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from maru.contracts.aws_access import AwsCaller, Circumstances, Question, Verdict
from maru.core.document import Value
from maru.core.errors import Denied


@dataclass
class PlainAuthorizer:
    """identity: patterns of actions by the ARN of who may do them; others may do everything ("*")."""

    identity: dict[str, Sequence[str]] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)

    def decide(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> Verdict:
        self.asked.append(question)
        may = any(fnmatchcase(question.action, pattern) for pattern in self.identity.get(caller.arn, ["*"]))
        if question.resource_policy is None:
            return _verdict(may)
        effects = [_effect(statement, caller, question) for statement in _statements(question.resource_policy)]
        if "Deny" in effects:
            return Verdict(False, "explicitDeny", "")
        return _verdict("Allow" in effects or ("Delegate" in effects and may))

    def require(self, caller: AwsCaller, question: Question, circumstances: Circumstances) -> None:
        if not self.decide(caller, question, circumstances).allowed:
            text = f"User: {caller.arn} is not authorized to perform: {question.action}"
            raise Denied(what=text, why="", code="AccessDeniedException")


def _statements(policy: Value) -> Sequence[Value]:
    statements = policy["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _effect(statement: Value, caller: AwsCaller, question: Question) -> str:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    if not any(fnmatchcase(question.action, pattern) for pattern in actions):
        return ""
    for keys in statement.get("Condition", {}).values():
        if any(question.facts.get(name) != value for name, value in keys.items()):
            return ""
    principal = statement["Principal"]
    named = principal if principal == "*" else principal.get("AWS", principal.get("Service"))
    names = named if isinstance(named, list) else [named]
    issuer = caller.session.issuer_arn if caller.session else ""
    if {"*", caller.arn, caller.service, issuer} & (set(names) - {""}):
        return str(statement["Effect"])
    is_delegated = f"arn:aws:iam::{caller.account}:root" in names and statement["Effect"] == "Allow"
    return "Delegate" if is_delegated else ""


def _verdict(allowed: bool) -> Verdict:
    return Verdict(allowed, "allowed" if allowed else "implicitDeny", "")
