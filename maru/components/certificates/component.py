"""Certificates: opened after the API server, whose documents it works on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from maru.components.certificates.config import CertificatesConfig
from maru.components.certificates.controllers.requests import Requests
from maru.components.certificates.controllers.root_ca import RootCaPublisher
from maru.core.access import Authorizer
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.identity.ca import CertificateAuthority
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.lifecycle import background


@dataclass(frozen=True)
class Needs:
    clients: Clients
    informers: Informers
    authority: CertificateAuthority
    authorizer: Authorizer
    clock: Clock
    ids: Ids
    config: CertificatesConfig


@dataclass(frozen=True)
class Gives:
    """Nothing: what it does stands in the documents."""


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Work until closed."""
    requests = Requests(
        needs.clients,
        needs.informers,
        needs.authority,
        needs.authorizer,
        clock=needs.clock,
        ids=needs.ids,
        life_max=timedelta(seconds=needs.config.signing_duration_s),
    )
    bundle = needs.authority.bundle.decode()
    publisher = RootCaPublisher(needs.clients, needs.informers, bundle, clock=needs.clock, ids=needs.ids)
    async with background("certificates") as tasks:
        tasks.start(requests.run(), "requests")
        tasks.start(publisher.run(), "root CA")
        yield Gives()
