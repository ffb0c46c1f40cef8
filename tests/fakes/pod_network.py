"""A PodNetwork without a kernel: it gives addresses and remembers, and moves no packet.

For tests of whoever needs a PodNetwork; it passes `tests/suites/pod_network.py` like the real one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from maru.contracts.pod_network import Addresses, Attachment
from maru.core.errors import Conflict, Unavailable


class FakePodNetwork:
    """Addresses of one range in turn; `attached` is what stands now, by sandbox."""

    def __init__(self, cidr: str = "10.244.0.0/24", node_ip: str = "192.0.2.10", dns_ip: str = "10.96.0.10") -> None:
        hosts = [str(host) for host in ipaddress.ip_network(cidr).hosts()]
        self._gateway, self._range = hosts[0], hosts[1:]
        self._next = 0
        self._node_ip, self._dns_ip = node_ip, dns_ip
        self.attached: dict[str, Attachment] = {}
        self.addresses: dict[str, Addresses] = {}

    @property
    def node_ip(self) -> str:
        return self._node_ip

    @property
    def dns_ip(self) -> str:
        return self._dns_ip

    async def attach(self, attachment: Attachment) -> Addresses:
        have = self.addresses.get(attachment.sandbox_id)
        if have is not None:
            return have
        self._check_ports(attachment)
        addresses = Addresses(ips=(self._take(),), gateway=self._gateway)
        self.attached[attachment.sandbox_id] = attachment
        self.addresses[attachment.sandbox_id] = addresses
        return addresses

    async def detach(self, sandbox_id: str) -> None:
        self.attached.pop(sandbox_id, None)
        self.addresses.pop(sandbox_id, None)

    async def retain(self, sandbox_ids: Sequence[str]) -> None:
        for sandbox_id in set(self.attached) - set(sandbox_ids):
            await self.detach(sandbox_id)

    def _take(self) -> str:
        used = {addresses.ips[0] for addresses in self.addresses.values()}
        for step in range(len(self._range)):
            address = self._range[(self._next + step) % len(self._range)]
            if address not in used:
                self._next = (self._next + step + 1) % len(self._range)
                return address
        raise Unavailable(what="address for a Pod", why="the range is used up", fix="delete Pods")

    def _check_ports(self, attachment: Attachment) -> None:
        for other in self.attached.values():
            for taken in other.host_ports:
                for want in attachment.host_ports:
                    same = (want.protocol, want.host_port) == (taken.protocol, taken.host_port)
                    if same and (not want.host_ip or not taken.host_ip or want.host_ip == taken.host_ip):
                        raise Conflict(
                            what=f"host port {want.host_port}/{want.protocol}",
                            why=f"{other.namespace}/{other.name} has it",
                            fix="choose another hostPort",
                        )
