"""Tags of everything that can have them. Source: IAM API reference, TagUser, UntagRole, ListPolicyTags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from maru.components.aws_iam.api.asks import Asker, Asks, Subject
from maru.components.aws_iam.api.book import Book, Shelf
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.api.policies import Policies
from maru.components.aws_iam.api.roles import Roles
from maru.components.aws_iam.errors import no_such
from maru.components.aws_iam.model.documents import Entity, Policy
from maru.components.aws_iam.model.names import check_tag_keys, check_tags, tag_list
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value


class HasTags(Protocol):
    """Fields with tags."""

    @property
    def tags(self) -> dict[str, str]: ...


T = TypeVar("T", bound=HasTags)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One thing with tags. change: merges into its spec."""

    tags: Mapping[str, str]
    change: Callable[[Value], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Tagged:
    """word: as in TagUser; asks: makes the question for an operation's name."""

    word: str
    find: Callable[[AwsCall], Labelled]
    asks: Callable[[str], Asks]


class Tags:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker, roles: Roles, policies: Policies) -> None:
        self._book = book

        def about(subject: Subject) -> Callable[[str], Asks]:
            return lambda name: asker.about(name, subject)

        def by_arn(parameter: str) -> Callable[[str], Asks]:
            return lambda name: asker.arn(name, parameter)

        self._every = (
            Tagged("User", _labelled(book.users, lookup.user), about(asker.user)),
            Tagged("Role", _labelled(book.roles, roles.modifiable), about(asker.role)),
            Tagged("Policy", _labelled(book.policies, lambda call: _policy(policies, call)), by_arn("PolicyArn")),
            Tagged("InstanceProfile", _labelled(book.profiles, lookup.profile), about(asker.profile)),
            Tagged("MFADevice", _labelled(book.devices, lookup.device), by_arn("SerialNumber")),
            Tagged("OpenIDConnectProvider", _labelled(book.providers, lookup.oidc), by_arn("OpenIDConnectProviderArn")),
            Tagged("SAMLProvider", _labelled(book.providers, lookup.saml), by_arn("SAMLProviderArn")),
            Tagged("ServerCertificate", _labelled(book.certificates, lookup.certificate), about(asker.certificate)),
        )

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        found: dict[str, AwsOperation] = {}
        for tagged in self._every:
            word = tagged.word
            for name, perform in (
                (f"Tag{word}", self.tag),
                (f"Untag{word}", self.untag),
                (f"List{word}Tags", self.list_tags),
            ):
                found[name] = AwsOperation(_bound(perform, tagged), tagged.asks(name))
        return found

    async def tag(self, tagged: Tagged, call: AwsCall) -> Members:
        entity = tagged.find(call)
        want = check_tags(call.parameters["Tags"], entity.tags)
        await entity.change({"tags": _patch(entity.tags, want)})
        return {}

    async def untag(self, tagged: Tagged, call: AwsCall) -> Members:
        entity = tagged.find(call)
        check_tag_keys(call.parameters["TagKeys"])
        keys = {key.lower() for key in call.parameters["TagKeys"]}
        gone = {key: None for key in entity.tags if key.lower() in keys}
        if gone:
            await entity.change({"tags": gone})
        return {}

    async def list_tags(self, tagged: Tagged, call: AwsCall) -> Members:
        return page("Tags", tag_list(tagged.find(call).tags), call)


def _labelled(shelf: Shelf[T], find: Callable[[AwsCall], Entity[T]]) -> Callable[[AwsCall], Labelled]:
    def labelled(call: AwsCall) -> Labelled:
        entity = find(call)
        return Labelled(entity.fields.tags, lambda spec: shelf.change(entity, spec))

    return labelled


def _patch(have: Mapping[str, str], want: Mapping[str, str]) -> dict[str, str | None]:
    return {**{key: None for key in have if key not in want}, **want}


def _policy(policies: Policies, call: AwsCall) -> Policy:
    arn = call.parameters["PolicyArn"]
    if arn.startswith("arn:aws:iam::aws:"):
        raise no_such(f"Policy {arn} does not exist.")
    return policies.own(call, f"Policy {arn} does not exist.")


def _bound(
    perform: Callable[[Tagged, AwsCall], Awaitable[Members]], tagged: Tagged
) -> Callable[[AwsCall], Awaitable[Members]]:
    return lambda call: perform(tagged, call)
