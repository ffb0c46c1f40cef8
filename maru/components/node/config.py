"""The node's knobs: how many Pods it takes, how its logs are cut, how often it reports."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config


class NodeConfig(Config, frozen=True):
    """The section `node` of the configuration file."""

    pods_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 110
    log_bytes_max: Annotated[int, msgspec.Meta(ge=4096, le=1 << 34)] = 10 << 20  # of one file before it is rotated
    log_files_max: Annotated[int, msgspec.Meta(ge=2, le=100)] = 5  # of one container
    lease_renew_s: Annotated[float, msgspec.Meta(ge=0.1, le=600)] = 10.0
    lease_duration_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 40
    status_report_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 300.0
    log_check_s: Annotated[float, msgspec.Meta(ge=0.05, le=600)] = 10.0
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    reserved_cpu: str = "0"  # quantities kept back from what Pods may use
    reserved_memory: str = "0"
    use_present_when_unreachable: bool = True  # of images whose policy is Always; see quirks.py
    address: str = ""  # the node's InternalIP; "" takes the pod network's
