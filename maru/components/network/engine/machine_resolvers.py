"""The machine's resolvers, for containers that name none of their own.

Loopback ones are of no use in another namespace: a container that asks for itself gets the others, those
behind systemd's stub, or (as by dockerd) two public ones. Source: moby/libnetwork/resolvconf; resolv.conf(5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")
PUBLIC = ("8.8.8.8", "8.8.4.4")
SERVERS_MAX = 3


def machine_resolvers_blocking() -> list[str]:
    """Those the machine itself asks, loopback ones too."""
    return _nameservers(RESOLV_CONF)


def portable_resolvers_blocking() -> list[str]:
    """Those that can be asked from any namespace; never empty."""
    for path in (RESOLV_CONF, BEHIND_STUB):
        found = [server for server in _nameservers(path) if not is_loopback(server)]
        if found:
            return found
    return list(PUBLIC)


def is_loopback(server: str) -> bool:
    """Whether only the machine itself can ask it."""
    return ipaddress.ip_address(server.partition("%")[0]).is_loopback


def _nameservers(path: Path) -> list[str]:
    try:
        lines: Iterable[str] = path.read_text().splitlines()
    except OSError:
        return []
    words = (line.split() for line in lines)
    found = [each[1] for each in words if len(each) >= 2 and each[0] == "nameserver"]
    return [server for server in found if _is_address(server)][:SERVERS_MAX]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
