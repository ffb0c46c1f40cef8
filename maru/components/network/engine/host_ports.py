"""The machine's ports that containers are published at, held by sockets so that nobody else takes them.

The kernel's rules carry the packets; a TCP socket also listens, for what the rules cannot carry (a
client at ::1, or one over IPv6 to a container without): see `port_proxies.py`. Random ports come from the
machine's ephemeral range, in order. Source: moby/libnetwork/portallocator; ip-sysctl.rst, ip_local_port_range.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from maru.contracts.container_network import PortRequest, PublishedPort
from maru.core.errors import Conflict, Invalid
from maru.linux.sysctl import read_blocking

EPHEMERAL = "net/ipv4/ip_local_port_range"
EVERY_ADDRESS4, EVERY_ADDRESS6 = "0.0.0.0", "::"
PROTOCOLS = ("tcp", "udp", "sctp")
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_BACKLOG = 128
_IPV6_DEVICES = Path("/proc/net/if_inet6")


@dataclass(frozen=True, slots=True)
class Target:
    """Where ports lead: the container's addresses, "" where it has none; host_binding: for ports without an address."""

    ip: str
    ip6: str
    host_binding: str = ""


@dataclass(slots=True)
class Holding:
    """Ports in use, with their sockets (None where the kernel has no such protocol)."""

    ports: list[PublishedPort] = field(default_factory=list)
    sockets: list[socket.socket | None] = field(default_factory=list)

    def close(self) -> None:
        """Let all go."""
        for sock in self.sockets:
            if sock is not None:
                sock.close()


class HostPorts:
    """Finds and holds ports; used by one thread."""

    def __init__(self) -> None:
        self._last = 0

    def hold_blocking(
        self, requests: Sequence[PortRequest], target: Target, used: Collection[PublishedPort]
    ) -> Holding:
        """One holding for all requests. Raises Conflict when a port is taken, Invalid; then none is held."""
        holding = Holding()
        busy = list(used)
        try:
            for request in requests:
                self._hold_one(request, target, busy, holding)
        except BaseException:
            holding.close()
            raise
        return holding

    def hold_again_blocking(self, ports: Iterable[PublishedPort]) -> Holding:
        """After a restart: the same ports; one that somebody took meanwhile stays published all the same."""
        holding = Holding()
        for port in ports:
            holding.ports.append(port)
            sock = None
            with suppress(OSError):
                sock = _bound(port)
            holding.sockets.append(sock)
        return holding

    def _hold_one(self, request: PortRequest, target: Target, busy: list[PublishedPort], holding: Holding) -> None:
        if request.protocol not in PROTOCOLS:
            raise Invalid(what=f"invalid proto: {request.protocol}", why="")
        failure: Conflict | None = None
        for number in self._candidates(request):
            wanted = [
                PublishedPort(request.container_port, request.protocol, address, number)
                for address in _addresses(request, target)
            ]
            try:
                sockets = _bound_all(wanted, busy, target)
            except Conflict as error:
                failure = error
                continue
            if not request.host_port:
                self._last = number
            holding.ports += wanted
            holding.sockets += sockets
            busy += wanted
            return
        raise failure or Conflict(what="all ports are allocated", why="")

    def _candidates(self, request: PortRequest) -> Iterator[int]:
        if request.host_port:
            yield from range(request.host_port, max(request.host_port, request.host_port_last) + 1)
            return
        first, last = (int(word) for word in read_blocking(EPHEMERAL).split())
        start = self._last + 1 if first <= self._last < last else first
        yield from range(start, last + 1)
        yield from range(first, start)


def _addresses(request: PortRequest, target: Target) -> list[str]:
    given = request.host_ip or target.host_binding
    if given:
        return [given]
    is_reachable6 = socket.has_ipv6 and (target.ip6 or request.protocol == "tcp")
    found = [EVERY_ADDRESS4] if target.ip else []
    return [*found, EVERY_ADDRESS6] if is_reachable6 and _IPV6_DEVICES.exists() else found


def _bound_all(
    wanted: Sequence[PublishedPort], busy: Iterable[PublishedPort], target: Target
) -> list[socket.socket | None]:
    sockets: list[socket.socket | None] = []
    taken = list(busy)
    try:
        for port in wanted:
            place = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
            if any(_collide(port, other) for other in taken):
                raise Conflict(what=f"Bind for {place}:{port.host_port} failed: port is already allocated", why="")
            try:
                sockets.append(_bound(port))
            except OSError as error:
                inside = f"{target.ip or target.ip6}:{port.container_port}/{port.protocol}"
                words = (os.strerror(error.errno or errno.EIO)).lower()
                raise Conflict(
                    what=f"failed to bind host port for {place}:{port.host_port}:{inside}: {words}", why=""
                ) from error
    except BaseException:
        Holding(sockets=sockets).close()
        raise
    return sockets


def _bound(port: PublishedPort) -> socket.socket | None:
    kind = _KINDS.get(port.protocol)
    if kind is None:
        return None
    family = socket.AF_INET6 if ":" in port.host_ip else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((port.host_ip, port.host_port))
        if kind == socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _collide(one: PublishedPort, other: PublishedPort) -> bool:
    if (one.protocol, one.host_port) != (other.protocol, other.host_port):
        return False
    if (":" in one.host_ip) != (":" in other.host_ip):
        return False
    anywhere = (EVERY_ADDRESS4, EVERY_ADDRESS6)
    return one.host_ip == other.host_ip or one.host_ip in anywhere or other.host_ip in anywhere
