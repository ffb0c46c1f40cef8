"""The table of what is answered by a handler of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.components.apiserver.api.component_statuses import ComponentStatuses
from maru.components.apiserver.api.metrics_documents import MetricsDocuments
from maru.components.apiserver.api.resources import Special
from maru.components.apiserver.api.subresources.binding import Bindings
from maru.components.apiserver.api.subresources.eviction import Evictions
from maru.components.apiserver.api.subresources.node_streams import NodeStreams
from maru.components.apiserver.api.subresources.posted import Body, posted
from maru.components.apiserver.api.subresources.proxy import Proxies
from maru.components.apiserver.api.subresources.reviews import Reviews
from maru.components.apiserver.api.subresources.scale import Scales
from maru.components.apiserver.api.subresources.token import Tokens
from maru.components.apiserver.engine.passing import Passing
from maru.components.apiserver.engine.verbs.call import House, Post
from maru.components.apiserver.engine.verbs.posting import admitted
from maru.components.apiserver.model.metrics_kinds import NODE_METRICS, POD_METRICS
from maru.contracts.usage import UsageSource
from maru.core.identity.rbac.rolebook import RoleBook
from maru.core.identity.tokens import TokenIssuer
from maru.core.site import Site
from maru.wire.k8s.schema import Schema, TypeNode

_AUTHORIZATION = "authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"


@dataclass(frozen=True, slots=True)
class Tools:
    """What the handlers stand on."""

    house: House
    schema: Schema
    book: RoleBook
    tokens: TokenIssuer
    passing: Passing
    scales: Scales
    site: Site
    usage: UsageSource


def posts(tools: Tools) -> Mapping[tuple[str, str], tuple[Post, str, str]]:
    """What is posted to, by (storage, subresource): the handler, and apiVersion and kind of its body."""
    house = tools.house
    bindings, evictions = Bindings(house), Evictions(house)
    tokens = Tokens(house.store, tools.tokens, house.clock)
    reviews = Reviews(tools.book, tools.tokens, house.clock)
    access, identity = f"{_AUTHORIZATION}/v1", f"{_AUTHENTICATION}/v1"
    table: dict[tuple[str, str], tuple[Post, str, str]] = {
        ("pods", "binding"): (bindings.bind, "v1", "Binding"),
        ("bindings", ""): (bindings.bind, "v1", "Binding"),
        ("pods", "eviction"): (evictions.evict, "policy/v1", "Eviction"),
        ("serviceaccounts", "token"): (tokens.request, identity, "TokenRequest"),
        (f"selfsubjectaccessreviews.{_AUTHORIZATION}", ""): (reviews.self_access, access, "SelfSubjectAccessReview"),
        (f"subjectaccessreviews.{_AUTHORIZATION}", ""): (reviews.access, access, "SubjectAccessReview"),
        (f"localsubjectaccessreviews.{_AUTHORIZATION}", ""): (
            reviews.local_access,
            access,
            "LocalSubjectAccessReview",
        ),
        (f"selfsubjectrulesreviews.{_AUTHORIZATION}", ""): (reviews.self_rules, access, "SelfSubjectRulesReview"),
        (f"selfsubjectreviews.{_AUTHENTICATION}", ""): (reviews.self_subject, identity, "SelfSubjectReview"),
        (f"tokenreviews.{_AUTHENTICATION}", ""): (reviews.token, identity, "TokenReview"),
    }
    return {
        place: (admitted(house, post, _node(tools, api_version, kind)), api_version, kind)
        for place, (post, api_version, kind) in table.items()
    }


def specials(tools: Tools) -> Mapping[tuple[str, str], Special]:
    """All handlers by (storage, subresource); an empty storage is any kind's."""
    streams = NodeStreams(tools.house, tools.passing, tools.site.node_name, tools.site.socket("node"))
    proxies = Proxies(tools.house, tools.passing)
    metrics = MetricsDocuments(tools.house, tools.usage)
    table: dict[tuple[str, str], Special] = {
        ("", "scale"): tools.scales.answer,
        ("pods", "log"): streams.log,
        ("pods", "exec"): streams.exec,
        ("pods", "attach"): streams.attach,
        ("pods", "portforward"): streams.port_forward,
        ("pods", "proxy"): proxies.pod,
        ("services", "proxy"): proxies.service,
        ("nodes", "proxy"): streams.node_proxy,
        ("componentstatuses", ""): ComponentStatuses(tools.house.clock).answer,
        (POD_METRICS.storage, ""): metrics.pods,
        (NODE_METRICS.storage, ""): metrics.nodes,
    }
    for place, (post, api_version, kind) in posts(tools).items():
        table[place] = posted(post, Body(api_version, kind, _node(tools, api_version, kind)))
    return table


def _node(tools: Tools, api_version: str, kind: str) -> TypeNode | None:
    group, _, version = api_version.rpartition("/")
    return tools.schema.type_of(group, version, kind)
