"""The knobs of cluster DNS."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config

Seconds = Annotated[int, msgspec.Meta(ge=0, le=86400)]


class DnsConfig(Config, frozen=True):
    """listen: addresses to bind, empty for the Pod bridge's gateway. port: 1..65535.

    ttl_s, negative_ttl_s: how long clients may keep what there is, and that there is nothing.
    upstreams: resolvers for names outside of the cluster (host or host:port), empty for those of
    resolv_conf. upstream_timeout_s: per try. cache_entries_max: answers from outside kept at most.
    pod_names: answer a-b-c-d.namespace.pod names.
    """

    listen: tuple[str, ...] = ()
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 53
    ttl_s: Seconds = 30
    negative_ttl_s: Seconds = 5
    upstreams: tuple[str, ...] = ()
    resolv_conf: str = "/etc/resolv.conf"
    upstream_timeout_s: Annotated[float, msgspec.Meta(gt=0.0, le=30.0)] = 2.0
    upstream_tries: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
    cache_entries_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 10_000
    cache_ttl_max_s: Seconds = 300
    pod_names: bool = True
