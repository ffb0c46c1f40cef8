"""What containers, Pods and nodes use now: the one source of `kubectl top` and of autoscaling.

A rate of processor time is over a window that ends at `taken_at`; memory is the working set then.
Source of the model: k8s.io/metrics, metrics.k8s.io/v1beta1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Used(msgspec.Struct, frozen=True):
    """cpu_nanocores: processor time per second, 1e9 is one processor. memory_bytes: working set."""

    name: str
    cpu_nanocores: int
    memory_bytes: int


class PodUsage(msgspec.Struct, frozen=True):
    """A running Pod. taken_at: RFC 3339; containers: those that run, in no order."""

    namespace: str
    name: str
    taken_at: str
    window_s: float
    containers: tuple[Used, ...]


class NodeUsage(msgspec.Struct, frozen=True):
    """A machine as a whole, with all that runs beside Pods."""

    taken_at: str
    window_s: float
    used: Used


class Measured(msgspec.Struct, frozen=True):
    """One node and its Pods."""

    node: NodeUsage
    pods: tuple[PodUsage, ...]


class UsageSource(Protocol):
    """Asks the nodes."""

    async def measure(self) -> Sequence[Measured]:
        """Of every node that answers; one that does not is left out, as its Pods then have no figures."""
        ...
