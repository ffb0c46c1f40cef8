"""The table of this platform in the kernel, and what it should hold.

Changes go to the kernel as one transaction each. `replace_blocking` makes the whole table anew, also
in one transaction: at no instant is there a packet that meets no rules, and connections go on.
What clients are bound to (session affinity) is taken over. Used by one thread.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping

from maru.components.network.engine.policy_rules import group_requests
from maru.components.network.engine.skeleton import (
    DROP_CHAIN,
    REJECT_CHAIN,
    pick_requests,
    skeleton,
    within,
)
from maru.components.network.model.elements import (
    AFFINITY,
    INTERVALS,
    Difference,
    Elements,
    PolicyGroup,
    Value,
    merge,
    range_of,
)
from maru.components.network.model.forwarding import Pick
from maru.components.network.model.ground import Ground
from maru.linux import nftables
from maru.linux.netlink import KernelError, NetlinkSocket, Request
from maru.linux.nftables import GOTO, Element, Verdict

CHAINS_MAX = 4096  # chains nobody goes to any more are swept by a replacement when there are so many


class Tables:
    """The table of one platform."""

    def __init__(self, sock: NetlinkSocket, ground: Ground) -> None:
        self._socket = sock
        self._ground = ground
        self._elements: Elements = {}
        self._chains: set[Pick | PolicyGroup] = set()
        self._is_ours = False

    def is_there_blocking(self) -> bool:
        """Whether the kernel still has the table (another firewall may have flushed it)."""
        return nftables.has_table_blocking(self._socket, self._ground.table)

    def count(self, name: str) -> int:
        """How many elements a set should have."""
        return len(self._elements.get(name, ()))

    def has(self, name: str, key: bytes) -> bool:
        """Whether a set should have the element."""
        return key in self._elements.get(name, ())

    def apply_blocking(self, change: Difference) -> None:
        """Make the change, in one transaction; if the kernel's table is not as we think, make it all anew.

        Before the first replacement the table is a former process's: it then keeps what it has, and
        the change waits for the replacement if it does not fit. Raises KernelError.
        """
        if change.is_empty:
            return
        self._take_over(change)
        if len(self._chains) > CHAINS_MAX:
            self.replace_blocking()
            return
        chains = self._new_chains(change.add)
        requests = self._chain_requests(chains)
        for name, keys in change.remove.items():
            requests += self._removal(name, keys)
        for name, elements in change.add.items():
            requests += self._addition(name, elements)
        try:
            nftables.commit_blocking(self._socket, requests)
        except KernelError as error:
            # The kernel holds something else than we thought: the whole table puts it right.
            if error.errno not in (errno.ENOENT, errno.EEXIST, errno.EBUSY):
                raise
            if self._is_ours:
                self.replace_blocking()
            return
        if self._is_ours:
            self._chains |= chains

    def replace_blocking(self) -> None:
        """Make the whole table anew. Raises KernelError."""
        table = self._ground.table
        kept = self._affinities()
        self._chains = set()
        chains = self._new_chains(self._elements)
        requests = [nftables.add_table(table), nftables.delete_table(table), nftables.add_table(table)]
        requests += skeleton(self._ground) + self._chain_requests(chains)
        for name, elements in self._elements.items():
            requests += self._addition(name, elements)
        try:
            nftables.commit_blocking(self._socket, [*requests, *nftables.add_expiring(table, AFFINITY, kept)])
        except KernelError:
            if not kept:
                raise
            # Another version of Maru remembered clients in another form: they are picked for anew.
            nftables.commit_blocking(self._socket, requests)
        self._chains = chains
        self._is_ours = True

    def prepare(self, elements: Elements) -> None:
        """Hold `elements` from the next replacement on."""
        merge(self._elements, elements)

    def _take_over(self, change: Difference) -> None:
        for name, keys in change.remove.items():
            held = self._elements.setdefault(name, {})
            for key in keys:
                held.pop(key, None)
        merge(self._elements, change.add)

    def _affinities(self) -> list[Element]:
        try:
            elements = nftables.list_elements_blocking(self._socket, self._ground.table, AFFINITY)
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return []
            raise
        return [element for element in elements if element.timeout_ms and element.expires_ms]

    def _new_chains(self, elements: Mapping[str, Mapping[bytes, Value]]) -> set[Pick | PolicyGroup]:
        wanted = {
            value for held in elements.values() for value in held.values() if isinstance(value, Pick | PolicyGroup)
        }
        wanted |= {within(pick) for pick in wanted if isinstance(pick, Pick) and pick.local >= 0 and pick.cluster}
        return wanted - self._chains

    def _chain_requests(self, chains: Iterable[Pick | PolicyGroup]) -> list[Request]:
        picks = [chain for chain in chains if isinstance(chain, Pick)]
        # Chains that others go to come first.
        picks.sort(key=lambda pick: (pick.local >= 0, pick.chain))
        requests = [request for pick in picks for request in pick_requests(self._ground, pick)]
        for chain in chains:
            if isinstance(chain, PolicyGroup):
                requests += group_requests(self._ground, chain)
        return requests

    def _addition(self, name: str, elements: Mapping[bytes, Value]) -> list[Request]:
        table = self._ground.table
        if name in INTERVALS:
            return nftables.add_ranges(table, name, (range_of(key) for key in elements))
        verdicts: dict[Value, Verdict] = {}

        def encoded(value: Value) -> bytes | Verdict | None:
            if value is None or isinstance(value, bytes):
                return value
            if value not in verdicts:
                chain = (
                    value.chain
                    if isinstance(value, Pick | PolicyGroup)
                    else {"drop": DROP_CHAIN}.get(value, REJECT_CHAIN)
                )
                verdicts[value] = Verdict(GOTO, chain)
            return verdicts[value]

        return nftables.add_elements(table, name, ((key, encoded(value)) for key, value in elements.items()))

    def _removal(self, name: str, keys: Iterable[bytes]) -> list[Request]:
        if name in INTERVALS:
            return nftables.delete_ranges(self._ground.table, name, map(range_of, keys))
        return nftables.delete_elements(self._ground.table, name, keys)
