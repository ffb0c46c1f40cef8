"""Sockets that belong to another network namespace than the process.

A socket belongs to the namespace of the thread that made it, for good; so a thread steps into the
namespace, makes it and steps back. Source: network_namespaces(7), setns(2).
"""

from __future__ import annotations

import socket

from maru.linux.namespaces import standing_in


def socket_in_blocking(
    netns_path: str, family: socket.AddressFamily, kind: socket.SocketKind = socket.SOCK_STREAM
) -> socket.socket:
    """A non-blocking socket (TCP, or of `kind`) in the namespace ("" is the process's own). Raises OSError."""
    if netns_path:
        with standing_in(netns_path):
            made = socket.socket(family, kind)
    else:
        made = socket.socket(family, kind)
    made.setblocking(False)
    return made
