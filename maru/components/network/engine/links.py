"""Removing the devices of Pods that left, many at once.

The kernel takes some 20 ms to remove a device, since it waits until no processor looks at it any more,
and as long for a hundred. So this has a thread of its own, where removals that come meanwhile are
gathered into one; nobody who attaches a Pod waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from maru.linux import rtnetlink
from maru.linux.namespaces import NamespaceThread
from maru.linux.netlink import NETLINK_ROUTE, NetlinkSocket

_GROUP_BASE = 0x6D720000


class LinkRemover:
    """group: a number for devices about to go, of this platform alone (0..65535)."""

    def __init__(self, group: int, netns_path: str) -> None:
        self._group = _GROUP_BASE + group
        self._thread = NamespaceThread("network-links", netns_path)
        self._waiting: deque[str] = deque()
        self._socket: NetlinkSocket | None = None

    async def remove(self, names: Sequence[str]) -> None:
        """Return when the devices are gone; idempotent. Raises KernelError."""
        if not names:
            return
        self._waiting.extend(names)
        # Calls run in order: if an earlier one took these names along, it has ended when ours runs.
        await self._thread.run(self._remove_blocking)

    def _remove_blocking(self) -> None:
        names: list[str] = []
        while self._waiting:
            names.append(self._waiting.popleft())
        if not names:
            return
        if self._socket is None:
            self._socket = NetlinkSocket(NETLINK_ROUTE)
        requests = [rtnetlink.set_group(name, self._group) for name in names]
        self._socket.run_blocking([*requests, rtnetlink.delete_group(self._group)])

    def close(self) -> None:
        """Wait for what is under way."""
        self._thread.close()
        if self._socket is not None:
            self._socket.close()
