"""The table of container networks in the kernel, changed in one transaction at a time. Used by one thread."""

from __future__ import annotations

import errno

from maru.components.network.engine.container_rules import additions, removals, skeleton
from maru.components.network.model.elements import Difference, Elements, difference
from maru.linux import nftables
from maru.linux.netlink import KernelError, NetlinkSocket, Request
from maru.linux.nftables import INET


class ContainerTables:
    """The table `table`, in the namespace of the socket."""

    def __init__(self, sock: NetlinkSocket, table: str) -> None:
        self._socket = sock
        self._table = table
        self._elements: Elements = {}

    def is_there_blocking(self) -> bool:
        """Whether the kernel still has the table."""
        return nftables.has_table_blocking(self._socket, self._table, INET)

    def replace_blocking(self, elements: Elements) -> None:
        """Make the whole table anew, at one instant. Raises KernelError."""
        table = self._table
        requests = [nftables.add_table(table), nftables.delete_table(table), nftables.add_table(table)]
        requests += skeleton(table)
        for name, held in elements.items():
            requests += additions(table, name, held)
        self._commit(requests)
        self._elements = elements

    def apply_blocking(self, elements: Elements) -> None:
        """Bring the table to these elements; made anew if it is not as it was left. Raises KernelError."""
        change = difference(self._elements, elements)
        if change.is_empty:
            return
        try:
            self._commit(self._requests(change))
        except KernelError as error:
            if error.errno not in (errno.ENOENT, errno.EEXIST, errno.EBUSY):
                raise
            self.replace_blocking(elements)
        self._elements = elements

    def remove_blocking(self) -> None:
        """Idempotent. Raises KernelError."""
        self._commit([nftables.add_table(self._table), nftables.delete_table(self._table)])

    def _requests(self, change: Difference) -> list[Request]:
        requests: list[Request] = []
        for name, keys in change.remove.items():
            requests += removals(self._table, name, keys)
        for name, elements in change.add.items():
            requests += additions(self._table, name, elements)
        return requests

    def _commit(self, requests: list[Request]) -> None:
        nftables.commit_blocking(self._socket, nftables.in_family(requests, INET))
