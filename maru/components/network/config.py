"""The knobs of the network."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config


class NetworkConfig(Config, frozen=True):
    """node_range: the part of the Pod range this node gives addresses from, "" for all of it.

    mtu_bytes: of Pod links, 0 for that of the machine's uplink. masquerade: whether Pods leave the
    Pod range under the machine's address. debounce_s: how long Service changes are gathered before
    they go to the kernel in one transaction; policy_debounce_s: the same for policies. verify_s: how
    often the tables are looked after (another firewall may flush them). netns_path: the network
    namespace that is this node's machine, "" for the one the process runs in.
    """

    node_range: str = ""
    mtu_bytes: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    masquerade: bool = True
    debounce_s: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.005
    policy_debounce_s: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.02
    verify_s: Annotated[float, msgspec.Meta(ge=1.0, le=3600.0)] = 15.0
    netns_path: str = ""
