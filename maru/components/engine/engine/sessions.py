"""The streams of a container or an exec, through its holder's attach socket.

The socket keeps packets apart: each packet from the holder starts with a byte for the stream (2 stdout,
3 stderr), what goes to it is plain stdin. Window sizes go through a named pipe beside it.
Source: conmon, src/conn_sock.c and src/ctrl.c (protocol facts).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from maru.core.errors import Conflict, Unavailable
from maru.linux.processes import readable, writable

PACKET_BYTES_MAX = 8192 + 1
STDIN_BYTES_MAX = 8192
REOPEN_LOG = b"2 0 0\n"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ends. wait: the exit code; close: what closing does beyond detaching; pid: of an exec."""

    wait: Callable[[], Awaitable[int]]
    close: Callable[[], Awaitable[None]]
    pid: int = 0


class HolderSession:
    """An open attach socket (contract `Session`). stdin: whether the process has one."""

    def __init__(self, connection: socket.socket, folder: Path, ending: Ending, *, stdin: bool) -> None:
        self._connection = connection
        self._is_closed = False
        self._is_read = False
        self._folder = folder
        self._ending = ending
        self._stdin = stdin

    @property
    def pid(self) -> int:
        return self._ending.pid

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        self._is_read = True
        try:
            while not self._is_closed:
                try:
                    packet = self._connection.recv(PACKET_BYTES_MAX)
                except BlockingIOError:
                    await readable(self._connection.fileno())
                    continue
                except ConnectionResetError:  # the holder ended with something of ours unread
                    return
                if not packet:
                    return
                yield packet[0] - 1, packet[1:]
        finally:
            self._is_read = False
            if self._is_closed:
                self._connection.close()

    async def write_stdin(self, chunk: bytes) -> None:
        if not self._stdin:
            raise Conflict(what="stdin", why="the process has none", fix="ask for stdin when creating it")
        view = memoryview(chunk)
        while view:
            if self._is_closed:
                raise Unavailable(what="stdin", why="the session is closed", fix="")
            try:
                sent = self._connection.send(view[:STDIN_BYTES_MAX], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                await writable(self._connection.fileno())
                continue
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Unavailable(what="stdin", why="the process has ended", fix="") from error
            view = view[sent:]

    async def close_stdin(self) -> None:
        if not self._is_closed and self._stdin:
            try:
                self._connection.shutdown(socket.SHUT_WR)
            except OSError:  # the other side is gone already
                return

    async def resize(self, width: int, height: int) -> None:
        write_pipe(self._folder / "winsz", f"{height} {width}\n".encode())

    async def wait(self) -> int:
        return await self._ending.wait()

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)  # wakes whoever reads, who then closes it
            if not self._is_read:
                self._connection.close()
        await self._ending.close()


def connect(folder: Path) -> socket.socket:
    """A connection to the holder that lives in `folder`. Raises Conflict when there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        # Through the descriptor, since a socket's path may have 107 characters only.
        connection.connect(f"/proc/self/fd/{descriptor}/attach")
    except OSError as error:
        connection.close()
        raise Conflict(what=f"streams of {folder.name[:12]}", why=str(error), fix="") from error
    finally:
        os.close(descriptor)
    connection.setblocking(False)
    return connection


def write_pipe(path: Path, words: bytes) -> bool:
    """Write to a named pipe of the holder without waiting; False if nobody reads it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        os.write(descriptor, words)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
