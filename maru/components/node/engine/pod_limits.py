"""The control group of a Pod, above those of its containers. Source: pkg/kubelet/cm, pod_container_manager_linux.go."""

from __future__ import annotations

from maru.components.node.model.resources import QUOTA_PERIOD_US, GroupFigures
from maru.linux.cgroup_limits import GroupLimits, limit_blocking
from maru.linux.cgroups import detect


def limit_pod_blocking(group: str, figures: GroupFigures) -> None:
    """Make the Pod's group, or bring its limits to `figures`. Raises OSError."""
    limits = GroupLimits(figures.shares, figures.quota_us, QUOTA_PERIOD_US, figures.memory_bytes)
    limit_blocking(detect(), group, limits)
