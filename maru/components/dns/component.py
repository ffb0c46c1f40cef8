"""Cluster DNS as a component of the edge process."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.dns.config import DnsConfig
from maru.components.dns.controllers.names import NamesController
from maru.components.dns.controllers.own_service import OwnServiceController, Place
from maru.components.dns.engine.resolver import Resolver
from maru.components.dns.engine.server import open_server
from maru.components.dns.engine.upstream import Upstream
from maru.components.dns.model.authority import Authority, Realm
from maru.core.access import GROUP_MASTERS
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.core.site import Site

USER = "system:maru:dns"


@dataclass(frozen=True)
class Needs:
    """What DNS stands on."""

    site: Site
    clients: Clients
    informers: Informers
    clock: Clock
    ids: Ids
    config: DnsConfig


@dataclass(frozen=True)
class DnsServer:
    """Where the server listens."""

    addresses: tuple[str, ...]
    port: int


@dataclass(frozen=True)
class Gives:
    """Names, to whoever asks over the network."""

    server: DnsServer


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - every component's entry
    """Answers while open. Raises Unavailable when the port is taken."""
    site, config = needs.site, needs.config
    gateway = str(ipaddress.IPv4Network(site.pod_cidr)[1])
    addresses = config.listen or (gateway,)
    realm = Realm(
        domain=site.cluster_domain,
        ranges=(site.pod_cidr, site.service_cidr),
        server_ip=site.cluster_dns_ip,
        ttl_s=config.ttl_s,
        negative_ttl_s=config.negative_ttl_s,
        has_pod_names=config.pod_names,
    )
    authority = Authority(realm)
    own = {*addresses, gateway, site.cluster_dns_ip}
    resolver = Resolver(authority, Upstream(config, own, needs.clock, needs.ids))
    client = needs.clients.acting_as(USER, (GROUP_MASTERS,))
    names = NamesController(authority, resolver, needs.informers, site.cluster_domain)
    async with open_server(resolver, addresses, config.port) as port, background("dns") as tasks:
        place = Place(site.cluster_dns_ip, addresses[0], port, site.node_name)
        own_service = OwnServiceController(client, needs.informers, needs.clock, needs.ids, place)
        tasks.start(names.run(), "names")
        tasks.start(own_service.run(), "own service")
        yield Gives(server=DnsServer(addresses, port))
