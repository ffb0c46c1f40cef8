"""The knobs of the workload controllers."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config


class WorkloadsConfig(Config, frozen=True):
    """workers: keys each controller works on side by side.

    node_monitor_grace_s: silence after which a node is Unknown. terminated_pods_max: ended Pods kept
    before the oldest are removed.

    Of HorizontalPodAutoscalers, as kube-controller-manager's --horizontal-pod-autoscaler-...: autoscaler_sync_s between
    two looks; autoscaler_tolerance: the part a ratio may miss 1 by; autoscaler_downscale_window_s of one without a
    window of its own; autoscaler_cpu_initialization_s and autoscaler_initial_readiness_s of a Pod that starts.
    """

    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    node_monitor_grace_s: Annotated[float, msgspec.Meta(ge=5, le=3600)] = 50.0
    terminated_pods_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 12_500
    autoscaler_sync_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 15.0
    autoscaler_tolerance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    autoscaler_downscale_window_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 300.0
    autoscaler_cpu_initialization_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 300.0
    autoscaler_initial_readiness_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 30.0
