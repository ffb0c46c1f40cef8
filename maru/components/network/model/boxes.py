"""Sets of (address, protocol, port) as ranges that never overlap: what the kernel's interval sets ask for.

What is allowed is given as any number of boxes that may overlap. Addresses are cut at every boundary;
for each piece the protocols and ports of all boxes over it are joined; neighbouring pieces that allow
the same become one again.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

PORT_MAX = 65535
PROTOCOL_MAX = 255

Ports = tuple[tuple[int, int, int, int], ...]
"""((first protocol, last protocol, first port, last port), ...), ascending, none overlapping."""

ANYTHING: Ports = ((0, PROTOCOL_MAX, 0, PORT_MAX),)


@dataclass(frozen=True, slots=True)
class Box:
    """Addresses first..last (as numbers, both inclusive), with any of `ports`."""

    first: int
    last: int
    ports: Ports


def network_boxes(cidr: str, excepted: Iterable[str], ports: Ports) -> list[Box]:
    """The network without the excepted ones."""
    parts = [ipaddress.IPv4Network(cidr, strict=False)]
    for hole in (ipaddress.IPv4Network(text, strict=False) for text in excepted):
        parts = [piece for part in parts for piece in _without(part, hole)]
    return [Box(int(part[0]), int(part[-1]), ports) for part in parts]


def address_box(address: str, ports: Ports) -> Box:
    """One address."""
    number = int(ipaddress.IPv4Address(address))
    return Box(number, number, ports)


def disjoint(boxes: Sequence[Box]) -> list[Box]:
    """Boxes that allow the same, with no two over one address; each one's ports are joined."""
    starts: dict[int, list[Box]] = {}
    ends: dict[int, list[Box]] = {}
    for box in boxes:
        starts.setdefault(box.first, []).append(box)
        ends.setdefault(box.last + 1, []).append(box)
    cuts = sorted(starts.keys() | ends.keys())
    over: dict[Ports, int] = {}
    result: list[Box] = []
    for cut, following in pairwise(cuts):
        for box in ends.get(cut, ()):
            over[box.ports] -= 1
            if not over[box.ports]:
                del over[box.ports]
        for box in starts.get(cut, ()):
            over[box.ports] = over.get(box.ports, 0) + 1
        if not over:
            continue
        ports = joined(over)
        if result and result[-1].last == cut - 1 and result[-1].ports == ports:
            result[-1] = Box(result[-1].first, following - 1, ports)
        else:
            result.append(Box(cut, following - 1, ports))
    return result


def joined(many: Iterable[Ports]) -> Ports:
    """All of the ports together."""
    by_protocol: dict[int, list[tuple[int, int]]] = {}
    for ports in many:
        for first, last, low, high in ports:
            if (first, last) == (0, PROTOCOL_MAX):
                return ANYTHING
            by_protocol.setdefault(first, []).append((low, high))
    result: list[tuple[int, int, int, int]] = []
    for protocol in sorted(by_protocol):
        merged: list[tuple[int, int]] = []
        for low, high in sorted(by_protocol[protocol]):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        result += [(protocol, protocol, low, high) for low, high in merged]
    return tuple(result)


def _without(part: ipaddress.IPv4Network, hole: ipaddress.IPv4Network) -> list[ipaddress.IPv4Network]:
    if not part.overlaps(hole):
        return [part]
    if part.subnet_of(hole):
        return []
    return list(part.address_exclude(hole))
