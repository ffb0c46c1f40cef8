"""Sockets that belong to another network namespace than the process.

A socket belongs to the namespace of the thread that made it, for good; so a thread steps into the
namespace, makes it and steps back. Source: network_namespaces(7), setns(2).
"""

from __future__ import annotations

import socket

from maru.linux.namespaces import standing_in


def socket_in_blocking(netns_path: str, family: socket.AddressFamily) -> socket.socket:
    """A non-blocking TCP socket in the namespace ("" is the process's own). Raises OSError."""
    if netns_path:
        with standing_in(netns_path):
            made = socket.socket(family, socket.SOCK_STREAM)
    else:
        made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    return made
