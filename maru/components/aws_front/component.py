"""aws_front: opened after all AWS services, whose operations it offers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.aws_front.api.coverage import telling
from maru.components.aws_front.api.desks import Desks
from maru.components.aws_front.api.edge import Edge, Tools
from maru.components.aws_front.api.hooks import KEYS, Hooks, WellKnown
from maru.components.aws_front.api.records import Records
from maru.components.aws_front.api.signatures import Signatures
from maru.components.aws_front.config import AwsFrontConfig
from maru.components.aws_front.engine.models import Models
from maru.contracts.aws_access import AwsAuthorizer, AwsCredentials
from maru.contracts.aws_service import AwsService
from maru.core.clock import Clock
from maru.core.front.listener import TcpListener
from maru.core.front.server import serve
from maru.core.front.tls import ServerTls
from maru.core.identity.audit import AuditLog
from maru.core.ids import Ids
from maru.core.site import PORT_AWS, Site


@dataclass(frozen=True)
class Needs:
    site: Site
    services: Sequence[AwsService]
    credentials: AwsCredentials
    authorizer: AwsAuthorizer
    clock: Clock
    ids: Ids
    audit: AuditLog
    tls: ServerTls
    config: AwsFrontConfig


@dataclass(frozen=True)
class Gives:
    pass


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Answer until closed. Raises Unavailable when the port is taken."""
    desks = Desks(needs.services, Models(needs.site.folder("aws_front") / "models"))
    await desks.open()
    signatures = Signatures(needs.credentials, needs.config.clock_skew_s)
    if needs.site.has_test_hooks:
        signatures = Signatures(WellKnown(needs.credentials), needs.config.clock_skew_s, KEYS)
    edge = Edge(Tools(desks, signatures, needs.authorizer, needs.clock, needs.ids, needs.config, Records(needs.audit)))
    listener = TcpListener(needs.site.listen, needs.site.port(PORT_AWS), needs.tls, takes_plain=True)
    answer = Hooks(needs.services, edge.answer).answer if needs.site.has_test_hooks else edge.answer
    async with telling(needs.site, desks), serve([listener], answer, name="aws_front", bug_answer=edge.bug_answer):
        yield Gives()
