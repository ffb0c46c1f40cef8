"""Limits of a group that others stand beneath: made on the way, in either version of the hierarchy.

A version 2 group may only limit what its parents hand on, so controllers are switched on from the root
down. Source: Linux Documentation/admin-guide/cgroup-v2.rst ("Controlling Controllers", cpu.weight,
cpu.max, memory.max) and scheduler/sched-bwc.rst; the weight is the one that runc computes from shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maru.linux.cgroups import UNIFIED, Cgroups

_HANDED_ON = ("cpu", "memory", "pids")
_SHARES_MIN, _SHARES_MAX, _WEIGHT_MAX = 2, 262_144, 10_000


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """shares: as cgroup v1 counts them (2..262144); quota_us: of every period, memory_bytes; 0 is without a limit."""

    shares: int
    quota_us: int = 0
    period_us: int = 100_000
    memory_bytes: int = 0


def limit_blocking(cgroups: Cgroups, group: str, limits: GroupLimits) -> None:
    """Make the group where it is missing, and limit it. Raises OSError when the kernel does not take the figures."""
    if "memory" in cgroups.mounts or "cpu" in cgroups.mounts:
        _limit_v1(cgroups, group, limits)
    else:
        _limit_v2(Path(cgroups.mounts[UNIFIED]), group, limits)


def _limit_v1(cgroups: Cgroups, group: str, limits: GroupLimits) -> None:
    for controller in ("cpu", "memory"):
        if controller not in cgroups.mounts:
            continue
        folder = Path(cgroups.mounts[controller] + group)
        folder.mkdir(parents=True, exist_ok=True)
        if controller == "memory":
            (folder / "memory.limit_in_bytes").write_text(str(limits.memory_bytes or -1))
            continue
        (folder / "cpu.shares").write_text(str(limits.shares))
        if (folder / "cpu.cfs_quota_us").exists():
            (folder / "cpu.cfs_period_us").write_text(str(limits.period_us))
            (folder / "cpu.cfs_quota_us").write_text(str(limits.quota_us or -1))


def _limit_v2(root: Path, group: str, limits: GroupLimits) -> None:
    folder = root
    for part in group.strip("/").split("/"):
        available = set((folder / "cgroup.controllers").read_text().split())
        words = [f"+{controller}" for controller in _HANDED_ON if controller in available]
        (folder / "cgroup.subtree_control").write_text(" ".join(words))
        folder = folder / part
        folder.mkdir(exist_ok=True)
    shares = min(max(limits.shares, _SHARES_MIN), _SHARES_MAX)
    weight = 1 + (shares - _SHARES_MIN) * (_WEIGHT_MAX - 1) // (_SHARES_MAX - _SHARES_MIN)
    quota = str(limits.quota_us) if limits.quota_us else "max"
    figures = {
        "cpu.weight": str(weight),
        "cpu.max": f"{quota} {limits.period_us}",
        "memory.max": str(limits.memory_bytes) if limits.memory_bytes else "max",
    }
    for name, figure in figures.items():
        if (folder / name).exists():
            (folder / name).write_text(figure)
