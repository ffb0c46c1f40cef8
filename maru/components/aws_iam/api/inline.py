"""Inline policies of users, groups and roles.

Source: IAM API reference, PutUserPolicy, GetRolePolicy, ListGroupPolicies; IAM quotas (2048, 5120 and 10240
characters without white space).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from maru.components.aws_iam.api.asks import Asker, Subject
from maru.components.aws_iam.api.book import Shelf
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.api.roles import Roles
from maru.components.aws_iam.api.shapes import encoded
from maru.components.aws_iam.errors import limit_exceeded, no_such
from maru.components.aws_iam.model.documents import Entity, text_of
from maru.components.aws_iam.model.grammar import characters, check_identity_policy
from maru.components.aws_iam.model.names import check_name
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


@dataclass(frozen=True, slots=True)
class Holder:
    """What holds policies. word: User, Group or Role; find: to read it, modify: to change it."""

    word: str
    shelf: Shelf[Any]
    subject: Subject
    find: Callable[[AwsCall], Entity[Any]]
    modify: Callable[[AwsCall], Entity[Any]]
    inline_characters_max: int


def holders(lookup: Lookup, asker: Asker, roles: Roles) -> tuple[Holder, ...]:
    """The three of them."""
    return (
        Holder("User", asker.user.shelf, asker.user, lookup.user, lookup.user, 2048),
        Holder("Group", asker.group.shelf, asker.group, lookup.group, lookup.group, 5120),
        Holder("Role", asker.role.shelf, asker.role, lookup.role, roles.modifiable, 10240),
    )


class Inline:
    """See the module."""

    def __init__(self, every: tuple[Holder, ...], asker: Asker) -> None:
        self._holders = every
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        found: dict[str, AwsOperation] = {}
        for holder in self._holders:
            word = holder.word
            for name, perform in (
                (f"Put{word}Policy", self.put),
                (f"Get{word}Policy", self.get),
                (f"Delete{word}Policy", self.delete),
                (f"List{word}Policies", self.list_all),
            ):
                found[name] = AwsOperation(_bound(perform, holder), self._asker.about(name, holder.subject))
        return found

    async def put(self, holder: Holder, call: AwsCall) -> Members:
        entity = holder.modify(call)
        name, document = call.parameters["PolicyName"], call.parameters["PolicyDocument"]
        check_name("policyName", name)
        check_identity_policy(document)
        others = sum(characters(text_of(one)) for key, one in entity.fields.policies.items() if key != name)
        if others + characters(document) > holder.inline_characters_max:
            raise limit_exceeded(
                f"Maximum policy size of {holder.inline_characters_max} bytes exceeded for "
                f"{holder.word.lower()} {entity.name}"
            )
        await holder.shelf.change(entity, {"policies": {name: document}})
        return {}

    async def get(self, holder: Holder, call: AwsCall) -> Members:
        entity = holder.find(call)
        name = call.parameters["PolicyName"]
        document = entity.fields.policies.get(name)
        if document is None:
            raise _missing(holder, name)
        return {f"{holder.word}Name": entity.name, "PolicyName": name, "PolicyDocument": encoded(document)}

    async def delete(self, holder: Holder, call: AwsCall) -> Members:
        entity = holder.modify(call)
        name = call.parameters["PolicyName"]
        if name not in entity.fields.policies:
            raise _missing(holder, name)
        await holder.shelf.change(entity, {"policies": {name: None}})
        return {}

    async def list_all(self, holder: Holder, call: AwsCall) -> Members:
        return page("PolicyNames", list(holder.find(call).fields.policies), call)


def _bound(
    perform: Callable[[Holder, AwsCall], Awaitable[Members]], holder: Holder
) -> Callable[[AwsCall], Awaitable[Members]]:
    return lambda call: perform(holder, call)


def _missing(holder: Holder, name: str) -> Exception:
    return no_such(f"The {holder.word.lower()} policy with name {name} cannot be found.")
