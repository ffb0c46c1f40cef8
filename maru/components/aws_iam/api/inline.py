"""Inline policies of users, groups and roles.

Source: IAM API reference, PutUserPolicy, GetRolePolicy, ListGroupPolicies; IAM quotas (2048, 5120 and 10240
characters without white space).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from maru.components.aws_iam.api.asks import Asker, Subject
from maru.components.aws_iam.api.book import Book, Shelf
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.api.roles import Roles
from maru.components.aws_iam.api.shapes import encoded
from maru.components.aws_iam.errors import limit_exceeded, no_such
from maru.components.aws_iam.model.documents import Entity, Written, text_of
from maru.components.aws_iam.model.grammar import characters, check_identity_policy
from maru.components.aws_iam.model.names import check_name
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value


class Holding(Protocol):
    """What the fields of a user, a group and a role have in common."""

    @property
    def path(self) -> str: ...

    @property
    def policies(self) -> dict[str, Written]: ...

    @property
    def attached(self) -> tuple[str, ...]: ...


H = TypeVar("H", bound=Holding)


@dataclass(frozen=True, slots=True)
class Held:
    """One user, group or role. change: merges into its spec."""

    name: str
    id: str
    fields: Holding
    boundary: str
    change: Callable[[Value], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Holder:
    """A kind that holds policies. word: User, Group or Role; find: to read one, modify: to change it."""

    word: str
    subject: Subject
    find: Callable[[AwsCall], Held]
    modify: Callable[[AwsCall], Held]
    list_all: Callable[[str], list[Held]]
    inline_characters_max: int


def holders(book: Book, lookup: Lookup, asker: Asker, roles: Roles) -> tuple[Holder, ...]:
    """The three of them."""
    users, groups, every_role = book.users, book.groups, book.roles
    return (
        Holder(
            "User",
            asker.user,
            lambda call: _held(users, lookup.user(call)),
            lambda call: _held(users, lookup.user(call)),
            lambda account: [_held(users, one) for one in users.list(account)],
            2048,
        ),
        Holder(
            "Group",
            asker.group,
            lambda call: _held(groups, lookup.group(call)),
            lambda call: _held(groups, lookup.group(call)),
            lambda account: [_held(groups, one) for one in groups.list(account)],
            5120,
        ),
        Holder(
            "Role",
            asker.role,
            lambda call: _held(every_role, lookup.role(call)),
            lambda call: _held(every_role, roles.modifiable(call)),
            lambda account: [_held(every_role, one) for one in every_role.list(account)],
            10240,
        ),
    )


def _held(shelf: Shelf[H], entity: Entity[H]) -> Held:
    boundary: str = getattr(entity.fields, "boundary", "")
    return Held(entity.name, entity.id, entity.fields, boundary, lambda spec: shelf.change(entity, spec))


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
        await entity.change({"policies": {name: document}})
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
        await entity.change({"policies": {name: None}})
        return {}

    async def list_all(self, holder: Holder, call: AwsCall) -> Members:
        return page("PolicyNames", list(holder.find(call).fields.policies), call)


def _bound(
    perform: Callable[[Holder, AwsCall], Awaitable[Members]], holder: Holder
) -> Callable[[AwsCall], Awaitable[Members]]:
    return lambda call: perform(holder, call)


def _missing(holder: Holder, name: str) -> Exception:
    return no_such(f"The {holder.word.lower()} policy with name {name} cannot be found.")
