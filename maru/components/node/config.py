"""The node's knobs: how many Pods it takes, how its logs are cut, how often it reports."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.components.node.model.eviction import Thresholds
from maru.core.config import Config


class NodeConfig(Config, frozen=True):
    """The section `node` of the configuration file."""

    pods_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 110
    log_bytes_max: Annotated[int, msgspec.Meta(ge=4096, le=1 << 34)] = 10 << 20  # of one file before it is rotated
    log_files_max: Annotated[int, msgspec.Meta(ge=2, le=100)] = 5  # of one container
    lease_renew_s: Annotated[float, msgspec.Meta(ge=0.1, le=600)] = 10.0
    lease_duration_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 40
    status_report_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 300.0
    usage_sample_s: Annotated[float, msgspec.Meta(ge=1, le=600)] = 10.0  # between readings that rates are made from
    log_check_s: Annotated[float, msgspec.Meta(ge=0.05, le=600)] = 10.0
    eviction_check_s: Annotated[float, msgspec.Meta(ge=0.05, le=3600)] = 10.0
    eviction_memory_bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 50)] = 100 << 20  # less left evicts; 0: never
    eviction_disk_fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.10
    eviction_inodes_fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    eviction_pids: Annotated[int, msgspec.Meta(ge=0, le=1 << 22)] = 100
    image_gc_check_s: Annotated[float, msgspec.Meta(ge=0.05, le=86400)] = 300.0
    image_gc_high_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 85  # of the disk: unused images go from here
    image_gc_low_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 80  # down to here
    image_gc_min_age_s: Annotated[float, msgspec.Meta(ge=0, le=1e7)] = 120.0  # since it was last used
    image_max_age_s: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0  # unused for longer it goes anyway; 0: never
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    reserved_cpu: str = "0"  # quantities kept back from what Pods may use
    reserved_memory: str = "0"
    use_present_when_unreachable: bool = True  # of images whose policy is Always; see quirks.py
    address: str = ""  # the node's InternalIP; "" takes the pod network's

    @property
    def thresholds(self) -> Thresholds:
        """What the node must have left."""
        return Thresholds(
            self.eviction_memory_bytes, self.eviction_disk_fraction, self.eviction_inodes_fraction, self.eviction_pids
        )
