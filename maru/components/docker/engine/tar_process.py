"""The tar worker from this side: started with pipes, poured from and into.

A process rather than a thread, since it changes its root. Source: tar_worker.py.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

from maru.components.docker.engine import tar_worker
from maru.core.errors import Invalid, MaruError, NotFound, Unavailable
from maru.linux.processes import Child, Command, Output, readable, spawn, writable

READ_BYTES = 256 * 1024
_SAID_BYTES_MAX = 4096


class TarProcess:
    """One run of the worker. Use as an async context manager: leaving it ends the process."""

    def __init__(self, command: str, root: str, path: str, *more: str) -> None:
        assert tar_worker.__file__ is not None
        self._path = path
        self._arguments = [sys.executable, "-I", "-S", tar_worker.__file__, command, root, path, *more]
        self._descriptors: set[int] = set()
        self._child: Child | None = None

    async def __aenter__(self) -> TarProcess:
        self._in, self._out, self._said = os.pipe(), os.pipe(), os.pipe()
        self._descriptors |= {*self._in, *self._out, *self._said}
        environment = {"LC_ALL": "C.UTF-8"}
        command = Command(
            self._arguments, environment, cwd="/", stdin=self._in[0], stdout=self._out[1], stderr=self._said[1]
        )
        try:
            self._child = await spawn(command)
        except BaseException:
            self._close(*list(self._descriptors))
            raise
        self._close(self._in[0], self._out[1], self._said[1])
        os.set_blocking(self._in[1], False)
        os.set_blocking(self._out[0], False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()
            await self._child.wait()
        self._close(*list(self._descriptors))

    async def write(self, chunk: bytes) -> bool:
        """Give it bytes; False once it takes no more (its end says why)."""
        view = memoryview(chunk)
        while view:
            try:
                view = view[os.write(self._in[1], view) :]
            except BlockingIOError:
                await writable(self._in[1])
            except BrokenPipeError:
                return False
        return True

    def end_input(self) -> None:
        """There is no more."""
        self._close(self._in[1])

    async def output(self) -> AsyncIterator[bytes]:
        """What it writes, until it has written all."""
        while True:
            try:
                chunk = os.read(self._out[0], READ_BYTES)
            except BlockingIOError:
                await readable(self._out[0])
                continue
            if not chunk:
                return
            yield chunk

    async def finish(self) -> None:
        """Wait for its end. Raises NotFound, Unavailable (a full disk), Invalid with its own words."""
        assert self._child is not None
        said = Output(self._said[0], _SAID_BYTES_MAX)
        await said.read_to_end()
        code = await self._child.wait()
        if code == 0:
            return
        words = said.kept.decode(errors="replace").strip() or "the archive process ended"
        raise _error(code, words)

    def _close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            if descriptor in self._descriptors:
                self._descriptors.discard(descriptor)
                with suppress(OSError):
                    os.close(descriptor)


async def described(root: str, path: str) -> bytes:
    """The JSON of a path's stat. Raises NotFound, Invalid."""
    async with TarProcess("stat", root, path) as process:
        process.end_input()
        text = b"".join([chunk async for chunk in process.output()])
        await process.finish()
        return text


async def packed(command: str, root: str, path: str, first: asyncio.Future[None]) -> AsyncIterator[bytes]:
    """A tar as it comes; `first` is resolved with the first bytes or the refusal that came instead."""
    async with TarProcess(command, root, path) as process:
        process.end_input()
        try:
            async for chunk in process.output():
                if not first.done():
                    first.set_result(None)
                yield chunk
            await process.finish()
        except MaruError as error:
            if first.done():
                raise
            first.set_exception(error)


async def unpacked(root: str, chunks: AsyncIterator[bytes]) -> None:
    """Unpack a tar as it comes. Raises Invalid."""
    async with TarProcess("unpack", root, "/", "0", "") as process:
        async for chunk in chunks:
            if not await process.write(chunk):
                break
        process.end_input()
        await process.finish()


def _error(code: int, words: str) -> MaruError:
    if code == tar_worker.FULL:
        return Unavailable(what=words, why="", status=500)
    kind = NotFound if code == tar_worker.NOT_FOUND else Invalid
    return kind(what=words, why="")
