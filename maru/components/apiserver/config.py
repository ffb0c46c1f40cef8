"""The knobs of the API server: section `apiserver` of the configuration file."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from maru.core.config import Config


class ApiServerConfig(Config, frozen=True):
    """on_bridge: also listen on the first address of the Pod range, where Pods reach the API by the Service
    `kubernetes` (the address need not exist yet). cluster_address: listen on, and advertise to Pods, this
    IPv4 address instead. event_life_s: how long an Event is kept after it was last seen.
    """

    on_bridge: bool = True
    cluster_address: Annotated[str, Meta(max_length=45)] = ""
    event_life_s: Annotated[int, Meta(ge=60, le=7 * 86400)] = 3600
