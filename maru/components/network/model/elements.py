"""Frontends as elements of a few flat maps: the whole of all Services, with no chain of their own.

A map takes (address, protocol, port) to the chain that picks among N backends, another takes that
and a number below N to the backend. With session affinity the second map gives a number that is the
backend's own (a checksum of it), and a third one the backend of that number. So 10,000 Services are
elements, which the kernel loads in bulk, and one that changes is a few elements in one transaction.
Fields are padded to 4 bytes.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from maru.components.network.model.forwarding import PROTOCOLS, Backend, Forwarding, Frontend, Pick, pick_of

FRONTENDS, ENDPOINTS, CLOSED = "frontends", "endpoints", "closed"
SLOTS, MEMBERS, HAIRPIN, FIREWALLED, ALLOWED = "slots", "members", "hairpin", "firewalled", "allowed"
AFFINITY = "affinity"
GROUP_IN, GROUP_OUT, ALLOW_IN, ALLOW_OUT = "group-in", "group-out", "allow-in", "allow-out"
INTERVALS = frozenset((ALLOWED, ALLOW_IN, ALLOW_OUT))
"""Sets whose elements are ranges: the first key and the last key in one."""

LOCAL_SLOT = 0x10000
"""Backends for clients from outside, under the Local policy, stand at this slot and up."""

_KEY = struct.Struct(">4sBxxxHxx")
_BACKEND = struct.Struct(">4sHxx")
_SLOT = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Pods that the same policies isolate. direction: in or out; number: of this node's groups."""

    direction: str
    number: int

    @property
    def chain(self) -> str:
        """The name of its chain."""
        return f"group-{self.direction}-{self.number}"


Value = Pick | PolicyGroup | str | bytes | None
"""A Pick or PolicyGroup: go to its chain; reject or drop: the verdict; bytes: packed fields; None: no value (a set)."""

Elements = dict[str, dict[bytes, Value]]
"""By set, by key."""


@dataclass(slots=True)
class Difference:
    """What to take away and what to add, by set. An element that changes is in both."""

    remove: dict[str, list[bytes]] = field(default_factory=dict)
    add: Elements = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.remove and not self.add


def key_of(frontend: Frontend) -> bytes:
    """address . protocol . port"""
    return _KEY.pack(socket.inet_aton(frontend.address), PROTOCOLS[frontend.protocol], frontend.port)


def elements_of(frontend: Frontend, forwarding: Forwarding) -> Elements:
    """All elements that make the frontend work."""
    key = key_of(frontend)
    elements: Elements = {}
    pick = pick_of(frontend, forwarding)
    if pick is None:
        elements[CLOSED] = {key: forwarding.closed}
    else:
        elements[FRONTENDS] = {key: pick}
        endpoints: dict[bytes, Value] = {}
        members: dict[bytes, Value] = {}
        slots: dict[bytes, Value] = {}
        for offset, backends in ((0, forwarding.cluster), (LOCAL_SLOT, forwarding.local or ())):
            for number, backend in enumerate(backends):
                slot = key + _SLOT.pack(offset + number)
                if not forwarding.affinity_s:
                    endpoints[slot] = _packed(backend)
                    continue
                packed = _packed(backend)
                own = _SLOT.pack(zlib.crc32(packed))
                slots[slot] = own
                members[key + own] = packed
        if forwarding.affinity_s:
            elements[SLOTS], elements[MEMBERS] = slots, members
        else:
            elements[ENDPOINTS] = endpoints
    if forwarding.sources:
        elements[FIREWALLED] = {key: None}
        elements[ALLOWED] = {key + first + key + last: None for first, last in _bounds(forwarding.sources)}
    return elements


def hairpin_of(address: str) -> Elements:
    """A Pod that reaches itself through a Service is masqueraded."""
    return {HAIRPIN: {socket.inet_aton(address) * 2: None}}


def difference(old: Mapping[str, Mapping[bytes, Value]], new: Mapping[str, Mapping[bytes, Value]]) -> Difference:
    """What leads from `old` to `new`."""
    result = Difference()
    for name in old.keys() | new.keys():
        have, want = old.get(name, {}), new.get(name, {})
        missing = object()
        remove = [key for key, value in have.items() if want.get(key, missing) != value]
        add = {key: value for key, value in want.items() if have.get(key, missing) != value}
        if remove:
            result.remove[name] = remove
        if add:
            result.add[name] = add
    return result


def merge(into: Elements, more: Elements) -> None:
    """Add `more` to `into`."""
    for name, elements in more.items():
        into.setdefault(name, {}).update(elements)


def range_of(element: bytes) -> tuple[bytes, bytes]:
    """An element of an interval set as the first and the last key."""
    half = len(element) // 2
    return element[:half], element[half:]


def _packed(backend: Backend) -> bytes:
    return _BACKEND.pack(socket.inet_aton(backend.address), backend.port)


def _bounds(sources: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    networks = ipaddress.collapse_addresses(ipaddress.IPv4Network(source, strict=False) for source in sources)
    return [(network[0].packed, network[-1].packed) for network in networks]
