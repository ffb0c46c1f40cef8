"""The API server: opened after the store and access, before everything that reads or writes documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.apiserver.api.assembly import Given, assembled
from maru.components.apiserver.api.kinds import CatalogKinds
from maru.components.apiserver.api.listening import cluster_address, listeners
from maru.components.apiserver.config import ApiServerConfig
from maru.components.apiserver.controllers.bootstrap.ensure import ensure_all
from maru.components.apiserver.controllers.event_expiry import EventExpiry
from maru.contracts.kinds_served import KindsServed
from maru.contracts.usage import UsageSource
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.front.server import serve
from maru.core.front.tls import ServerTls
from maru.core.identity.audit import AuditLog
from maru.core.identity.authenticator import Authenticator
from maru.core.identity.rbac.rolebook import RoleBook
from maru.core.identity.tokens import TokenIssuer
from maru.core.ids import Ids
from maru.core.lifecycle import background
from maru.core.site import Site
from maru.core.store.interface import Store


@dataclass(frozen=True)
class Needs:
    site: Site
    store: Store
    authenticator: Authenticator
    role_book: RoleBook
    tokens: TokenIssuer
    audit: AuditLog
    tls: ServerTls
    clock: Clock
    ids: Ids
    config: ApiServerConfig


@dataclass(frozen=True)
class Gives:
    clients: Clients
    kinds: KindsServed
    usage: UsageSource


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Make what every cluster starts with, then answer on TLS and on the unix socket until closed.

    Raises Unavailable when a port or socket is taken.
    """
    given = Given(
        needs.site,
        needs.store,
        needs.authenticator,
        needs.role_book,
        needs.tokens,
        needs.audit,
        needs.clock,
        needs.ids,
    )
    async with assembled(given) as server:
        address = cluster_address(needs.site, needs.config)
        await ensure_all(server.founding, needs.site, server.services.first_address, address)
        places = listeners(needs.site, needs.config, needs.tls)
        expiry = EventExpiry(needs.store, needs.clock, needs.config.event_life_s)
        async with background("event expiry") as tasks, serve(places, server.edge.answer, name="apiserver"):
            tasks.start(expiry.run())
            yield Gives(server.clients, CatalogKinds(server.house.catalog), server.usage)
