"""Tags of everything that can have them. Source: IAM API reference, TagUser, UntagRole, ListPolicyTags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from maru.components.aws_iam.api.asks import Asker, Asks
from maru.components.aws_iam.api.book import Book, Shelf
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.api.policies import Policies
from maru.components.aws_iam.api.roles import Roles
from maru.components.aws_iam.errors import no_such
from maru.components.aws_iam.model.documents import Entity
from maru.components.aws_iam.model.names import check_tag_keys, check_tags, tag_list
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


@dataclass(frozen=True, slots=True)
class Tagged:
    """word: as in TagUser; asks: makes the question for an operation's name."""

    word: str
    shelf: Shelf[Any]
    find: Callable[[AwsCall], Entity[Any]]
    asks: Callable[[str], Asks]


class Tags:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker, roles: Roles, policies: Policies) -> None:
        self._book = book

        def about(subject: Any) -> Callable[[str], Asks]:
            return lambda name: asker.about(name, subject)

        def by_arn(parameter: str) -> Callable[[str], Asks]:
            return lambda name: asker.arn(name, parameter)

        self._every = (
            Tagged("User", book.users, lookup.user, about(asker.user)),
            Tagged("Role", book.roles, roles.modifiable, about(asker.role)),
            Tagged("Policy", book.policies, lambda call: _policy(policies, call), by_arn("PolicyArn")),
            Tagged("InstanceProfile", book.profiles, lookup.profile, about(asker.profile)),
            Tagged("MFADevice", book.devices, lookup.device, by_arn("SerialNumber")),
            Tagged("OpenIDConnectProvider", book.providers, lookup.oidc, by_arn("OpenIDConnectProviderArn")),
            Tagged("SAMLProvider", book.providers, lookup.saml, by_arn("SAMLProviderArn")),
            Tagged("ServerCertificate", book.certificates, lookup.certificate, about(asker.certificate)),
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
        want = check_tags(call.parameters["Tags"], entity.fields.tags)
        await tagged.shelf.change(entity, {"tags": _patch(entity.fields.tags, want)})
        return {}

    async def untag(self, tagged: Tagged, call: AwsCall) -> Members:
        entity = tagged.find(call)
        check_tag_keys(call.parameters["TagKeys"])
        keys = {key.lower() for key in call.parameters["TagKeys"]}
        gone = {key: None for key in entity.fields.tags if key.lower() in keys}
        if gone:
            await tagged.shelf.change(entity, {"tags": gone})
        return {}

    async def list_tags(self, tagged: Tagged, call: AwsCall) -> Members:
        return page("Tags", tag_list(tagged.find(call).fields.tags), call)


def _patch(have: Mapping[str, str], want: Mapping[str, str]) -> dict[str, str | None]:
    return {**{key: None for key in have if key not in want}, **want}


def _policy(policies: Policies, call: AwsCall) -> Entity[Any]:
    arn = call.parameters["PolicyArn"]
    if arn.startswith("arn:aws:iam::aws:"):
        raise no_such(f"Policy {arn} does not exist.")
    return policies.own(call, f"Policy {arn} does not exist.")


def _bound(
    perform: Callable[[Tagged, AwsCall], Awaitable[Members]], tagged: Tagged
) -> Callable[[AwsCall], Awaitable[Members]]:
    return lambda call: perform(tagged, call)
