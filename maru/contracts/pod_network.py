"""The network of a Pod: an address in a namespace, and everything that makes it reachable.

Source: CNI specification 1.1, for the meaning of attach and detach; both are idempotent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the machine that forwards to the Pod. protocol: TCP, UDP or SCTP; host_ip "" is any."""

    host_port: int
    container_port: int
    protocol: str = "TCP"
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a sandbox wants. sandbox_id: unique on the node; netns_path: a bound network namespace."""

    sandbox_id: str
    netns_path: str
    namespace: str
    name: str
    host_ports: Sequence[HostPort] = ()


@dataclass(frozen=True, slots=True)
class Addresses:
    """What it got. ips: IPv4 first, then IPv6 if there is one; never empty. gateway: IPv4."""

    ips: tuple[str, ...]
    gateway: str


class PodNetwork(Protocol):
    """Gives Pods their addresses."""

    @property
    def node_ip(self) -> str:
        """The address other Pods reach this node's own services at (host network Pods have it)."""
        ...

    @property
    def dns_ip(self) -> str:
        """The cluster DNS address for resolv.conf."""
        ...

    async def attach(self, attachment: Attachment) -> Addresses:
        """Make the sandbox reachable; the same answer if it already is.

        Raises Unavailable when the address range is used up, Conflict when a host port is taken.
        """
        ...

    async def detach(self, sandbox_id: str) -> None:
        """Free all that `attach` made; idempotent, also when the namespace is gone already."""
        ...

    async def retain(self, sandbox_ids: Sequence[str]) -> None:
        """After a restart: detach every sandbox that is not in `sandbox_ids`."""
        ...
