"""aws_kms: opened after the API server, which keeps its documents, and after whoever decides about access."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.aws_kms.api.service import assemble
from maru.components.aws_kms.api.vault import Shelves, Tools, Vault
from maru.components.aws_kms.config import KmsConfig
from maru.components.aws_kms.controllers.deadlines import Deadlines
from maru.components.aws_kms.model.documents import (
    ALIASES,
    GRANTS,
    KEYS,
    definitions,
    read_alias,
    read_grant,
    read_key,
)
from maru.contracts.aws_access import AwsAuthorizer
from maru.contracts.aws_keys import AwsKeys
from maru.contracts.aws_service import AwsService
from maru.contracts.sealer import Sealer
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.kept import Kept
from maru.core.lifecycle import background

USER = "system:controller:aws-kms"


@dataclass(frozen=True)
class Needs:
    clients: Clients
    authorizer: AwsAuthorizer
    sealer: Sealer
    clock: Clock
    ids: Ids
    config: KmsConfig


@dataclass(frozen=True)
class Gives:
    kms: AwsService
    keys: AwsKeys


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Serve until closed; its documents are in memory before anybody is let in."""
    client = needs.clients.acting_as(USER, ["system:masters"])
    shelves = Shelves(
        Kept(client, KEYS, read_key, needs.clock, needs.ids),
        Kept(client, ALIASES, read_alias, needs.clock, needs.ids),
        Kept(client, GRANTS, read_grant, needs.clock, needs.ids),
    )
    shelves.index()
    vault = Vault(shelves, Tools(needs.sealer, needs.clock, needs.ids, needs.config))
    service, keys = assemble(vault, needs.authorizer)
    written = definitions()
    async with background("aws_kms") as tasks:
        every = (shelves.keys, shelves.aliases, shelves.grants)
        await asyncio.gather(*(kept.ensure_kind(written[kept.resource]) for kept in every))
        for kept in every:
            tasks.start(kept.run(), kept.resource.plural)
        for kept in every:
            await kept.wait_synced()
        tasks.start(Deadlines(vault).run(), "deadlines")
        yield Gives(service, keys)
