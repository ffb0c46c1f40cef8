"""aws_iam: opened after the API server, which keeps its documents, and before the front, which asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.aws_iam.api.authorizer import PolicyAuthorizer
from maru.components.aws_iam.api.book import Book, Tools
from maru.components.aws_iam.api.credentials import Credentials
from maru.components.aws_iam.api.explaining import Explainer, explaining
from maru.components.aws_iam.api.last_uses import LastUses
from maru.components.aws_iam.api.managed import Managed
from maru.components.aws_iam.api.service import assemble
from maru.components.aws_iam.config import IamConfig
from maru.components.aws_iam.controllers.account_roles import AccountRoles
from maru.components.aws_iam.controllers.administrator import ensure_administrator
from maru.contracts.aws_access import AwsAuthorizer, AwsCredentials, Guardrails
from maru.contracts.aws_service import AwsService
from maru.contracts.sealer import Sealer
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.identity.tokens import TokenIssuer
from maru.core.ids import Ids
from maru.core.lifecycle import background
from maru.core.site import Site

USER = "system:controller:aws-iam"


@dataclass(frozen=True)
class Needs:
    site: Site
    clients: Clients
    sealer: Sealer
    tokens: TokenIssuer
    guardrails: Sequence[Guardrails]
    clock: Clock
    ids: Ids
    config: IamConfig


@dataclass(frozen=True)
class Gives:
    credentials: AwsCredentials
    authorizer: AwsAuthorizer
    iam: AwsService
    sts: AwsService


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Serve until closed; its documents are in memory before anybody is let in."""
    client = needs.clients.acting_as(USER, ["system:masters"])
    book = Book(client, Tools(needs.sealer, needs.clock, needs.ids, needs.config))
    managed = Managed(book)
    authorizer = PolicyAuthorizer(book, managed, needs.guardrails)
    uses = LastUses(book)
    iam, sts = assemble(book, managed, authorizer, needs.tokens, uses)
    async with background("aws_iam") as tasks:
        await book.open(tasks)
        await ensure_administrator(book, needs.site.data_dir)
        if needs.guardrails:  # without an organization there are no accounts but the first
            roles = AccountRoles(book)
            tasks.start(roles.accounts.run(), "accounts")
            tasks.start(roles.run(), "account roles")
        tasks.start(uses.run(), "last uses")
        try:
            async with explaining(needs.site, Explainer(book, authorizer)):
                yield Gives(Credentials(book, managed, uses), authorizer, iam, sts)
        finally:
            await uses.close()
