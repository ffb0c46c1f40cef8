"""Access: opened before the API server, which asks it about every request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.access.config import AccessConfig
from maru.components.access.controllers.aggregation import Aggregation
from maru.components.access.controllers.bookkeeper import Bookkeeper
from maru.components.access.controllers.bootstrap import ensure_policy
from maru.components.access.engine.keyring import Keyring
from maru.core.access import Authorizer
from maru.core.clock import Clock
from maru.core.front.tls import ServerTls
from maru.core.identity.audit import AuditFiles, AuditLog
from maru.core.identity.authenticator import Authenticator
from maru.core.identity.ca import CertificateAuthority
from maru.core.identity.node_rule import NodeRule
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
    clock: Clock
    ids: Ids
    config: AccessConfig


@dataclass(frozen=True)
class Gives:
    authenticator: Authenticator
    authorizer: Authorizer
    role_book: RoleBook  # the authorizer, with rules_for
    tokens: TokenIssuer
    authority: CertificateAuthority
    audit: AuditLog
    tls: ServerTls  # the API server's certificate, kept fresh


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Read the keys, ensure the standard policy, and follow roles and bindings until closed."""
    keyring = await asyncio.to_thread(Keyring.open_blocking, needs.site, needs.config, needs.clock)
    await ensure_policy(needs.store, needs.clock, needs.ids)
    book = RoleBook(NodeRule(needs.store))
    issuer = needs.config.token_issuer or f"https://kubernetes.default.svc.{needs.site.cluster_domain}"
    tokens = TokenIssuer(keyring.signing_keys, issuer, needs.store.get, needs.clock, needs.ids)
    config = needs.config
    files = AuditFiles(needs.site.folder("audit"), config.audit_file_bytes_max, config.audit_files_max)
    audit = AuditLog(files, config.audit, needs.clock, needs.ids)
    aggregation = Aggregation(needs.store, needs.clock, needs.ids)
    try:
        async with background("access") as tasks:
            Bookkeeper(needs.store, book, aggregation.changed).start(tasks)
            tasks.start(aggregation.loop.run(), "aggregation")
            tasks.start(keyring.rotation.run(), "rotation")
            tasks.start(audit.run(), "audit")
            yield Gives(
                authenticator=Authenticator(tokens, book, needs.clock),
                authorizer=book,
                role_book=book,
                tokens=tokens,
                authority=keyring.authority,
                audit=audit,
                tls=keyring.tls,
            )
    finally:
        await audit.flush()
