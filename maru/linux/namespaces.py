"""Network namespaces: one thread that may stand in another one, and sockets made inside of others.

Which namespace a socket belongs to is settled when it is made, by the thread that makes it. So one
thread per platform does all kernel work of the network; it alone calls setns, and always comes
back before the next call. Source: setns(2), network_namespaces(7).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_CLONE_NEWNET = 0x40000000
_THREAD_NAMESPACE = "/proc/thread-self/ns/net"


def enter_blocking(descriptor: int) -> None:
    """Move the calling thread into the network namespace of `descriptor`. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


@contextmanager
def standing_in(netns_path: str) -> Iterator[None]:
    """The calling thread stands in the namespace at `netns_path` for the body. Raises OSError."""
    home = os.open(_THREAD_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter_blocking(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            enter_blocking(home)
    finally:
        os.close(home)


class NamespaceThread:
    """One thread for blocking kernel calls; `netns_path` "" leaves it where the process is."""

    def __init__(self, name: str, netns_path: str = "") -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._home = netns_path

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `call` on the thread, after all that was handed in before; raises what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: self._at_home(call, *args, **kwargs))

    def _at_home(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._home:
            home, self._home = self._home, ""
            descriptor = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
            try:
                enter_blocking(descriptor)
            finally:
                os.close(descriptor)
        return call(*args, **kwargs)

    def close(self) -> None:
        """Wait for what is under way and end the thread."""
        self._executor.shutdown(wait=True)
