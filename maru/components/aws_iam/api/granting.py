"""Which policies of somebody let it into a service.

Source: IAM API reference, ListPoliciesGrantingServiceAccess: identity policies alone, those of a user's groups
included; what denies is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.errors import invalid_input, no_such
from maru.components.aws_iam.model.documents import Group, Role, User, Written, decoded
from maru.components.aws_iam.model.policy.conditions import as_texts
from maru.components.aws_iam.model.policy.patterns import glob
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value


@dataclass(frozen=True, slots=True)
class Held:
    """A policy, and what the answer tells of it."""

    written: Written
    told: Members


class Granting:
    """See the module."""

    def __init__(self, book: Book, managed: Managed, asker: Asker) -> None:
        self._book = book
        self._managed = managed
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        name = "ListPoliciesGrantingServiceAccess"
        return {name: AwsOperation(self.list_all, self._asker.arn(name, "Arn"))}

    async def list_all(self, call: AwsCall) -> Members:
        held = list(self.held(call.account, call.parameters["Arn"]))
        granted: list[Members] = [
            {
                "ServiceNamespace": service,
                "Policies": [one.told for one in held if grants(decoded(one.written), service)],
            }
            for service in call.parameters["ServiceNamespaces"]
        ]
        return {"PoliciesGrantingServiceAccess": granted, "IsTruncated": False}

    def held(self, account: str, arn: str) -> Iterator[Held]:
        """Raises NoSuchEntity, InvalidInput."""
        book = self._book
        if (user := book.users.find_by_arn(arn)) is not None and user.account == account:
            yield from self._of(user, "USER")
            for name in user.fields.groups:
                if (joined := book.groups.find(account, name)) is not None:
                    yield from self._of(joined, "GROUP")
        elif (group := book.groups.find_by_arn(arn)) is not None and group.account == account:
            yield from self._of(group, "GROUP")
        elif (role := book.roles.find_by_arn(arn)) is not None and role.account == account:
            yield from self._of(role, "ROLE")
        elif arn.split(":", 5)[-1].startswith(("user/", "group/", "role/")):
            raise no_such(f"ARN {arn} not found.")
        else:
            raise invalid_input(f"{arn} is not the ARN of a user, group or role")

    def _of(self, holder: User | Group | Role, kind: str) -> Iterator[Held]:
        for name, written in holder.fields.policies.items():
            told = {"PolicyName": name, "PolicyType": "INLINE", "EntityType": kind, "EntityName": holder.name}
            yield Held(written, told)
        for arn in holder.fields.attached:
            document = self._managed.document(holder.account, arn)
            if document is not None:
                told = {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyType": "MANAGED", "PolicyArn": arn}
                yield Held(document, told)


def grants(policy: Value, service: str) -> bool:
    """Whether a statement allows any action of `service` (a namespace such as s3)."""
    statements = policy.get("Statement") or []
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement.get("Effect") != "Allow":
            continue
        if "NotAction" in statement:
            spared = as_texts(statement["NotAction"])
            if not any(text == "*" or (_is_of(text, service) and text.endswith(":*")) for text in spared):
                return True
        elif any(_is_of(text, service) for text in _actions(statement)):
            return True
    return False


def _actions(statement: Value) -> Sequence[str]:
    return as_texts(statement.get("Action") or ())


def _is_of(action: str, service: str) -> bool:
    return action == "*" or glob(action.split(":", 1)[0].lower())(service.lower())
