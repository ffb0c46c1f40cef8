"""Bytes between a container's holder and a guest's ports, a thread for each direction.

Output ends at a token that the guest writes last, so that all of it has come when an exit is told. A
token may arrive in pieces: what could be the beginning of one waits for the rest.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 65536
GO = b"go\n"
DRAIN_FIRST_S, DRAIN_MOST_S = 0.002, 0.1


def connect(path: Path) -> socket.socket:
    """A connection to a socket in a machine's folder. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def start(work: Callable[[], None], name: str) -> threading.Thread:
    """Run `work` on a thread that the process does not wait for."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def pour_out(port: socket.socket, descriptor: int, token: bytes) -> None:
    """From a port to a descriptor, up to the token or the port's end; a reader that has gone loses the rest."""
    held, is_read = b"", True
    while chunk := port.recv(CHUNK_BYTES):
        held += chunk
        found = held.find(token)
        ready = held if found < 0 else held[:found]
        if found < 0:
            ready = held[: len(held) - _begun(held, token)]
        if is_read and ready:
            is_read = _written(descriptor, ready)
        if found >= 0:
            return
        held = held[len(ready) :]


def pour_in(descriptor: int, port: socket.socket) -> None:
    """From a descriptor to a port, which is closed at the end: the guest sees its input end.

    Only once qemu has taken all of it: what it has not read when a port closes never gets to the guest.
    """
    try:
        while chunk := os.read(descriptor, CHUNK_BYTES):
            port.sendall(chunk)
        delay_s = DRAIN_FIRST_S
        while _unread_bytes(port):
            time.sleep(delay_s)
            delay_s = min(delay_s * 2, DRAIN_MOST_S)
    except OSError:  # the other side of a terminal, or the machine, has gone
        pass
    finally:
        port.close()


def _unread_bytes(port: socket.socket) -> int:
    count = struct.unpack("=i", fcntl.ioctl(port.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return int(count)


def _begun(held: bytes, token: bytes) -> int:
    """How many bytes at the end could be the token's first."""
    return next((size for size in range(min(len(held), len(token) - 1), 0, -1) if held.endswith(token[:size])), 0)


def _written(descriptor: int, content: bytes) -> bool:
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except OSError:
            return False
    return True
