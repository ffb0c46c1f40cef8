"""The knobs of the workload controllers."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config


class WorkloadsConfig(Config, frozen=True):
    """workers: keys each controller works on side by side.

    node_monitor_grace_s: silence after which a node is Unknown. terminated_pods_max: ended Pods kept
    before the oldest are removed.
    """

    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    node_monitor_grace_s: Annotated[float, msgspec.Meta(ge=5, le=3600)] = 50.0
    terminated_pods_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 12_500
