"""Kernel settings of the network, remembered as they were so that they can be put back.

Some are of the whole machine: their old values are kept in a file until `maru down`. Settings of the
bridge go with the bridge. Redirects must be off for all devices, since the kernel takes either
setting: it would tell Pods to go around the gateway, and spend on it what ICMP errors are rationed
by. Source: Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from maru.linux.sysctl import read_blocking, write_blocking

FORWARDING = "net/ipv4/ip_forward"
MACHINE_WIDE = {FORWARDING: "1", "net/ipv4/conf/all/send_redirects": "0"}
OF_THE_BRIDGE = {"route_localnet": "1", "rp_filter": "2", "send_redirects": "0"}


class Sysctls:
    """Changes settings and puts them back. path: the file that remembers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set_up_blocking(self, bridge: str) -> None:
        """Forward packets; let loopback clients of node ports out on the bridge. Raises OSError."""
        before = {name: read_blocking(name) for name in MACHINE_WIDE}
        changed = {name: value for name, value in before.items() if value != MACHINE_WIDE[name]}
        if changed and not self._path.exists():
            self._path.write_bytes(msgspec.json.encode(changed))
        for name, value in MACHINE_WIDE.items():
            write_blocking(name, value)
        for name, value in OF_THE_BRIDGE.items():
            write_blocking(f"net/ipv4/conf/{bridge}/{name}", value)

    def put_back_blocking(self) -> None:
        """As it was before the first `set_up_blocking`. Raises OSError."""
        if not self._path.exists():
            return
        for name, value in msgspec.json.decode(self._path.read_bytes(), type=dict[str, str]).items():
            write_blocking(name, value)
        self._path.unlink()
