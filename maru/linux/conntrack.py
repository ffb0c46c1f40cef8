"""Connection tracking: finding and forgetting flows, by ctnetlink.

A UDP flow that was rewritten to a backend keeps going there for as long as it is used; when the
backend goes away somebody must forget the flow. Source: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from maru.linux.netlink import NetlinkSocket, Request, attribute, attributes

_SUBSYSTEM = 1
_GET, _DELETE = 1, 2
_ORIGINAL, _REPLY, _ID = 1, 2, 12
_TUPLE_ADDRESS, _TUPLE_PROTOCOL = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
UDP, SCTP = 17, 132
_NESTED = 0x8000


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow: whom the client sends to, and who answers (after rewriting)."""

    protocol: int
    client: str
    address: str
    port: int
    backend: str
    backend_port: int


def forget_flows_blocking(sock: NetlinkSocket, is_stale: Callable[[Flow], bool]) -> int:
    """Delete every UDP and SCTP flow for which `is_stale`; how many there were. Raises KernelError."""
    header = struct.pack(">BBH", socket.AF_INET, 0, 0)
    requests: list[Request] = []
    for reply in sock.dump_blocking(_SUBSYSTEM << 8 | _GET, header, "list connections"):
        values = attributes(reply.body, 4)
        flow = _parse(values)
        if flow is None or not is_stale(flow):
            continue
        body = header + attribute(_ORIGINAL | _NESTED, values[_ORIGINAL])
        if _ID in values:
            body += attribute(_ID, values[_ID])
        requests.append(Request(_SUBSYSTEM << 8 | _DELETE, body, "forget connection", 0, (errno.ENOENT,)))
    if requests:
        sock.run_blocking(requests)
    return len(requests)


def _parse(values: dict[int, bytes]) -> Flow | None:
    original, reply = attributes(values.get(_ORIGINAL, b"")), attributes(values.get(_REPLY, b""))
    ports = attributes(original.get(_TUPLE_PROTOCOL, b""))
    if ports.get(_NUMBER, b"\0")[0] not in (UDP, SCTP):
        return None
    addresses = attributes(original[_TUPLE_ADDRESS])
    answers = attributes(reply[_TUPLE_PROTOCOL])
    return Flow(
        protocol=ports[_NUMBER][0],
        client=socket.inet_ntoa(addresses[_SOURCE]),
        address=socket.inet_ntoa(addresses[_DESTINATION]),
        port=struct.unpack(">H", ports[_DESTINATION_PORT])[0],
        backend=socket.inet_ntoa(attributes(reply[_TUPLE_ADDRESS])[_SOURCE]),
        backend_port=struct.unpack(">H", answers[_SOURCE_PORT])[0],
    )
