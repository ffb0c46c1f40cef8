"""aws_organizations: opened before whoever decides about access, which asks it what binds an account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.aws_organizations.api.service import OrganizationsService
from maru.components.aws_organizations.config import OrganizationsConfig
from maru.components.aws_organizations.controllers.namespaces import Namespaces
from maru.components.aws_organizations.engine.births import Births
from maru.components.aws_organizations.engine.guardrails import OrganizationGuardrails
from maru.components.aws_organizations.engine.tree import Shelves, Tree
from maru.components.aws_organizations.model import documents
from maru.contracts.aws_access import Guardrails
from maru.contracts.aws_service import AwsService
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.kept import Kept
from maru.core.lifecycle import background
from maru.kinds.aws import ACCOUNTS

USER = "system:controller:aws-organizations"


@dataclass(frozen=True)
class Needs:
    clients: Clients
    clock: Clock
    ids: Ids
    config: OrganizationsConfig


@dataclass(frozen=True)
class Gives:
    organizations: AwsService
    guardrails: Guardrails


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Serve until closed; its documents are in memory, and the first account is there, before anybody is let in."""
    client = needs.clients.acting_as(USER, ["system:masters"])
    clock, ids = needs.clock, needs.ids
    shelves = Shelves(
        Kept(client, ACCOUNTS, documents.read_account, clock, ids),
        Kept(client, documents.ORGANIZATIONS, documents.read_organization, clock, ids),
        Kept(client, documents.UNITS, documents.read_unit, clock, ids),
        Kept(client, documents.POLICIES, documents.read_policy, clock, ids),
        Kept(client, documents.HANDSHAKES, documents.read_handshake, clock, ids),
        Kept(client, documents.REQUESTS, documents.read_request, clock, ids),
    )
    shelves.index()
    tree = Tree(shelves, clock, ids)
    births = Births(tree, client, needs.config.role_wait_s)
    definitions = documents.definitions()
    every = (
        shelves.accounts,
        shelves.organizations,
        shelves.units,
        shelves.policies,
        shelves.handshakes,
        shelves.requests,
    )
    async with background("aws_organizations") as tasks:
        await asyncio.gather(*(kept.ensure_kind(definitions[kept.resource]) for kept in every))
        for kept in every:
            tasks.start(kept.run(), kept.resource.plural)
        for kept in every:
            await kept.wait_synced()
        await births.ensure_first()
        tasks.start(Namespaces(tree, births).run(), "namespaces")
        yield Gives(OrganizationsService(tree, births, needs.config), OrganizationGuardrails(tree))
