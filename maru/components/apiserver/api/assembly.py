"""How the API server is put together, once, at start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from maru.components.apiserver.admission.dynamic.configurations import Configurations
from maru.components.apiserver.admission.dynamic.expressions import Expressions
from maru.components.apiserver.admission.dynamic.matching import Matcher
from maru.components.apiserver.admission.dynamic.type_checking import TypeChecker
from maru.components.apiserver.admission.dynamic.webhooks import Dynamic
from maru.components.apiserver.admission.review import Chain
from maru.components.apiserver.admission.steps import all_steps, builtin_steps
from maru.components.apiserver.api.clients import LocalClients, Parts
from maru.components.apiserver.api.edge import Access, Edge
from maru.components.apiserver.api.openapi import OpenApi
from maru.components.apiserver.api.pages import Pages, Sources
from maru.components.apiserver.api.resources import Resources
from maru.components.apiserver.api.subresources.scale import Scales
from maru.components.apiserver.api.subresources.specials import Tools, posts, specials
from maru.components.apiserver.controllers.definitions import Definitions
from maru.components.apiserver.controllers.policies import Policies
from maru.components.apiserver.custom.definition import Tools as Making
from maru.components.apiserver.engine.allocation.services import Services
from maru.components.apiserver.engine.passing import Passing
from maru.components.apiserver.engine.usage import NodeUsages
from maru.components.apiserver.engine.verbs.call import House
from maru.components.apiserver.engine.webhooks import WebhookClient
from maru.components.apiserver.metrics import Metrics
from maru.components.apiserver.model.builtin import builtin_kinds
from maru.components.apiserver.model.catalog import Catalog
from maru.components.apiserver.model.metrics_kinds import GROUP, metrics_kinds
from maru.contracts.usage import UsageSource
from maru.core.clock import Clock
from maru.core.identity.audit import AuditLog
from maru.core.identity.authenticator import Authenticator
from maru.core.identity.rbac.rolebook import RoleBook
from maru.core.identity.tokens import TokenIssuer
from maru.core.ids import Ids
from maru.core.lifecycle import background
from maru.core.meter import Meter
from maru.core.site import PORT_KUBERNETES, Site
from maru.core.store.interface import Store
from maru.kinds.catalog import strategies
from maru.kinds.resources import SERVICES
from maru.wire.cel.library.all import kubernetes_library
from maru.wire.k8s.schema import load_schema


@dataclass(frozen=True, slots=True)
class Given:
    """What the API server stands on."""

    site: Site
    store: Store
    authenticator: Authenticator
    book: RoleBook
    tokens: TokenIssuer
    audit: AuditLog
    clock: Clock
    ids: Ids


@dataclass(frozen=True, slots=True)
class Server:
    """The parts that others hold on to. founding: `house` without webhooks and policies."""

    house: House
    founding: House
    edge: Edge
    clients: LocalClients
    services: Services
    definitions: Definitions
    usage: UsageSource


@asynccontextmanager
async def assembled(given: Given) -> AsyncIterator[Server]:
    """All parts over `given`; nothing listens yet."""
    schema = load_schema()
    kinds = strategies()
    catalog = Catalog(builtin_kinds(schema, kinds))
    catalog.put(GROUP, metrics_kinds())
    webhooks = WebhookClient(given.store, given.ids)
    matcher = Matcher(given.store, catalog)
    dynamic = Dynamic(given.store, matcher, Expressions(given.book), webhooks, given.ids, Configurations(given.store))
    builtin = builtin_steps(given.store, catalog, given.book, given.clock, given.ids)
    chain = Chain(all_steps(builtin, dynamic, catalog))
    services = Services(given.site.service_cidr, given.ids, given.store.list(SERVICES.storage).documents)
    house = House(given.store, catalog, chain, given.clock, given.ids, {SERVICES.storage: services})
    passing = Passing()
    usage = NodeUsages(passing, (given.site.socket("node"),))
    scales = Scales(house, schema, kinds.of("scales.autoscaling"))
    tools = Tools(house, schema, given.book, given.tokens, passing, scales, given.site, usage)
    handlers = {place: post for place, (post, _, _) in posts(tools).items()}
    metrics = Metrics(Meter())
    pages = Pages(catalog, OpenApi(schema, catalog), _sources(given, metrics))
    access = Access(given.authenticator, given.book, given.audit)
    edge = Edge(access, Resources(house, specials(tools)), pages, metrics, given.clock)
    library = kubernetes_library()
    definitions = Definitions(house, Making(schema, library, webhooks.convert))
    definitions.load()
    try:
        async with background("apiserver") as tasks:
            definitions.start(tasks)
            Policies(house, TypeChecker(dynamic.expressions, catalog)).start(tasks)
            clients = LocalClients(Parts(house, handlers, scales, given.audit))
            yield Server(house, replace(house, admission=Chain(builtin)), edge, clients, services, definitions, usage)
    finally:
        await webhooks.close()
        await passing.close()


def _sources(given: Given, metrics: Metrics) -> Sources:
    address = f"{given.site.listen}:{given.site.port(PORT_KUBERNETES)}"
    jwks_uri = f"https://{address}/openid/v1/jwks"
    return Sources(
        address=address,
        ready=lambda: True,
        jwks=given.tokens.jwks,
        openid=lambda: given.tokens.discovery(jwks_uri),
        metrics=lambda: metrics.meter.exposition().decode(),
    )
