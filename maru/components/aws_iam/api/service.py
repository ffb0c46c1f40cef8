"""IAM and STS put together: each noun's operations under the service's name.

Source: botocore's service models iam-2010-05-08 and sts-2011-06-15.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from maru.components.aws_iam.api.access_keys import AccessKeys
from maru.components.aws_iam.api.accessed import Accessed
from maru.components.aws_iam.api.account import Account
from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.assuming import Assuming, Sessions
from maru.components.aws_iam.api.attachments import Attachments
from maru.components.aws_iam.api.authorizer import PolicyAuthorizer
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.certificates import Certificates
from maru.components.aws_iam.api.details import Details
from maru.components.aws_iam.api.devices import Devices
from maru.components.aws_iam.api.granting import Granting
from maru.components.aws_iam.api.groups import Groups
from maru.components.aws_iam.api.identity import Identity
from maru.components.aws_iam.api.inline import Inline, holders
from maru.components.aws_iam.api.last_uses import LastUses
from maru.components.aws_iam.api.linked import Linked
from maru.components.aws_iam.api.logins import Logins
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.api.policies import Policies
from maru.components.aws_iam.api.profiles import Profiles
from maru.components.aws_iam.api.providers import Providers
from maru.components.aws_iam.api.roles import Roles
from maru.components.aws_iam.api.root_access import RootAccess, RootSessions
from maru.components.aws_iam.api.saml_identity import SamlIdentity
from maru.components.aws_iam.api.service_credentials import ServiceCredentials
from maru.components.aws_iam.api.simulation import Simulation
from maru.components.aws_iam.api.tags import Tags
from maru.components.aws_iam.api.tokens import Tokens
from maru.components.aws_iam.api.users import Users
from maru.components.aws_iam.api.web_identity import WebIdentity
from maru.contracts.aws_service import AwsOperation
from maru.core.identity.tokens import TokenIssuer


class Noun(Protocol):
    """A file of operations."""

    def operations(self) -> Mapping[str, AwsOperation]: ...


@dataclass(frozen=True, slots=True)
class Service:
    """See contracts/aws_service.AwsService."""

    name: str
    by_name: Mapping[str, AwsOperation]
    book: Book

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return self.by_name

    async def reset(self) -> None:
        """As contracts.aws_service.Resettable. STS keeps nothing."""
        if self.name == "iam":
            await self.book.clear()


def assemble(
    book: Book,
    managed: Managed,
    authorizer: PolicyAuthorizer,
    tokens: TokenIssuer,
    uses: LastUses,
) -> tuple[Service, Service]:
    """(iam, sts)."""
    lookup, asker = Lookup(book), Asker(book)
    keys = AccessKeys(book, lookup, asker, uses)
    roles = Roles(book, lookup, asker, managed, uses)
    policies = Policies(book, managed, asker)
    granting = Granting(book, managed, asker)
    every = holders(book, lookup, asker, roles)
    iam = (
        keys,
        Users(book, lookup, asker, keys, roles),
        Groups(book, lookup, asker),
        roles,
        policies,
        Inline(every, asker),
        Attachments(every, managed, asker),
        Profiles(book, lookup, asker),
        Tags(book, lookup, asker, roles, policies),
        Logins(book, lookup, asker),
        Devices(book, lookup, asker),
        Account(book, asker, keys, Details(book, managed, policies, roles)),
        Providers(book, lookup, asker),
        Certificates(book, lookup, asker),
        ServiceCredentials(book, lookup, asker),
        Linked(book, lookup, asker),
        granting,
        RootAccess(book, asker, authorizer.guardrails),
        Accessed(book, managed, granting, uses, asker),
        Simulation(book, authorizer, asker),
    )
    sessions = Sessions(book, managed)
    assuming = Assuming(book, authorizer, sessions)
    sts = (
        Identity(),
        assuming,
        Tokens(book, sessions),
        WebIdentity(book, sessions, assuming, tokens),
        SamlIdentity(book, sessions, assuming),
        RootSessions(book, sessions, authorizer.guardrails),
    )
    return Service("iam", _merged(iam), book), Service("sts", _merged(sts), book)


def _merged(nouns: Sequence[Noun]) -> Mapping[str, AwsOperation]:
    return {name: operation for noun in nouns for name, operation in noun.operations().items()}
