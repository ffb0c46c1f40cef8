"""Kernel settings of the network, remembered as they were so that they can be put back.

`ip_forward` is of the whole machine: its old value is kept in a file until `maru down`. Settings of
the bridge go with the bridge. Source: Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from maru.linux.sysctl import read_blocking, write_blocking

FORWARDING = "net/ipv4/ip_forward"


class Sysctls:
    """Changes settings and puts them back. path: the file that remembers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set_up_blocking(self, bridge: str) -> None:
        """Forward packets; let loopback clients of node ports out on the bridge. Raises OSError."""
        before = read_blocking(FORWARDING)
        if before != "1":
            if not self._path.exists():
                self._path.write_bytes(msgspec.json.encode({FORWARDING: before}))
            write_blocking(FORWARDING, "1")
        write_blocking(f"net/ipv4/conf/{bridge}/route_localnet", "1")
        write_blocking(f"net/ipv4/conf/{bridge}/rp_filter", "2")

    def put_back_blocking(self) -> None:
        """As it was before the first `set_up_blocking`. Raises OSError."""
        if not self._path.exists():
            return
        for name, value in msgspec.json.decode(self._path.read_bytes(), type=dict[str, str]).items():
            write_blocking(name, value)
        self._path.unlink()
