"""Plain HTTP and TLS on one port: the first byte of a connection tells which it is.

A TLS client speaks first, with a handshake record (type 22), which begins no HTTP request. The byte is looked at
in the kernel's buffer, so whoever takes the connection then reads it as the first. Source: RFC 8446, section 5.1.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

SILENT_S = 10.0  # for the first byte, and for a handshake
_HANDSHAKE = b"\x16"
_SILENT_MAX = 4096  # connections that have said nothing yet; over it the one that is silent for longest is closed
_ACCEPTED_AT_ONCE = 64
_PAUSE_S = 0.1  # while no connection can be accepted


class SniffingServer:
    """Accepts on `listening` (bound, non-blocking) until closed; its socket is the caller's."""

    def __init__(
        self, listening: socket.socket, factory: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext
    ) -> None:
        self._listening = listening
        self._factory = factory
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        self._taking: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Accept no more; connections that were taken over go on."""
        self._loop.remove_reader(self._listening.fileno())
        if self._again is not None:
            self._again.cancel()
        for silent in list(self._silent):
            self._drop(silent)
        for task in self._taking:
            task.cancel()

    def _listen(self) -> None:
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # no more descriptors: those who wait are asked for again a little later
                self._loop.remove_reader(self._listening.fileno())
                self._again = self._loop.call_later(_PAUSE_S, self._listen)
                return
            accepted.setblocking(False)
            if len(self._silent) >= _SILENT_MAX:
                self._drop(next(iter(self._silent)))
            self._silent[accepted] = self._loop.call_later(SILENT_S, self._drop, accepted)
            self._loop.add_reader(accepted.fileno(), self._look, accepted)

    def _look(self, accepted: socket.socket) -> None:
        try:
            first = accepted.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        if not first:
            self._drop(accepted)
            return
        self._forget(accepted)
        task = self._loop.create_task(self._hand_over(accepted, self._context if first == _HANDSHAKE else None))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _hand_over(self, accepted: socket.socket, context: ssl.SSLContext | None) -> None:
        timeout_s = SILENT_S if context is not None else None
        with suppress(OSError, TimeoutError):  # a handshake that fails is the client's matter; the transport is closed
            await self._loop.connect_accepted_socket(
                self._factory, accepted, ssl=context, ssl_handshake_timeout=timeout_s
            )

    def _drop(self, accepted: socket.socket) -> None:
        self._forget(accepted)
        accepted.close()

    def _forget(self, accepted: socket.socket) -> None:
        self._silent.pop(accepted).cancel()
        self._loop.remove_reader(accepted.fileno())
