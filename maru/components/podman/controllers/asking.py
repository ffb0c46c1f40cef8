"""Asking the engine: Engine API requests that are made here, and their answers read.

Errors come back in podman's words with podman's causes. Source: contracts/engine_api.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import msgspec

from maru.contracts.engine_api import EngineApi
from maru.core import errors
from maru.core.document import Value
from maru.core.errors import TooLarge, Unavailable
from maru.core.front.message import Answer, Duplex, Peer, Request
from maru.wire.libpod.faults import translated

Query = Sequence[tuple[str, str]]
ANSWER_BYTES_MAX = 64 << 20

_KINDS: Mapping[int, type[errors.MaruError]] = {
    400: errors.Invalid,
    401: errors.Unauthenticated,
    403: errors.Denied,
    404: errors.NotFound,
    409: errors.Conflict,
    501: errors.NotSupported,
}


@dataclass(frozen=True, slots=True)
class Inner:
    """A request that is made here. outer: whose body (where there is no other), streams and connection it has."""

    method: str
    path: str
    query: Query
    content: bytes | None
    headers: Mapping[str, str]
    outer: Request | None

    @property
    def raw_target(self) -> str:
        """As it would be sent."""
        return f"{quote(self.path)}?{urlencode(list(self.query))}" if self.query else quote(self.path)

    def query_get(self, name: str, default: str = "") -> str:
        """The first value of `name`."""
        return next((value for key, value in self.query if key == name), default)

    def header_all(self, name: str) -> Sequence[str]:
        """Every value of a header."""
        return [value for key, value in self.headers.items() if key.lower() == name.lower()]

    @property
    def peer(self) -> Peer:
        """The outer one's."""
        return self.outer.peer if self.outer is not None else Peer("podman")

    async def body(self, bytes_max: int) -> bytes:
        """Raises TooLarge, Deadline."""
        if self.content is None:
            return await self.outer.body(bytes_max) if self.outer is not None else b""
        if len(self.content) > bytes_max:
            raise TooLarge(what="the body", why=f"it has more than {bytes_max} bytes")
        return self.content

    async def chunks(self) -> AsyncIterator[bytes]:
        """The outer one's body where there is no other."""
        if self.content is not None:
            yield self.content
        elif self.outer is not None:
            async for chunk in self.outer.chunks():
                yield chunk

    async def upgrade(self, headers: Mapping[str, str], status: str = "101 Switching Protocols") -> Duplex:
        """The outer connection. Raises Unavailable."""
        if self.outer is None:
            raise Unavailable(what="the upgrade", why="nobody is connected")
        return await self.outer.upgrade(headers, status)


@dataclass(frozen=True, slots=True)
class Asking:
    """The engine, asked in its own API."""

    engine: EngineApi

    async def answer(
        self, method: str, path: str, query: Query = (), body: Value | None = None, outer: Request | None = None
    ) -> Answer:
        """Raises what an answer of 400 and above says. body: None for that of `outer`, if there is one."""
        content = None if body is None else msgspec.json.encode(body)
        if content is None and outer is None:
            content = b""
        headers = outer.headers if outer is not None else {}
        answer = await self.engine.answer(Inner(method, path, query, content, headers, outer))
        if answer.status >= 400:
            raise _error(answer)
        return answer

    async def value(
        self, method: str, path: str, query: Query = (), body: Value | None = None, outer: Request | None = None
    ) -> Value:
        """The JSON object of an answer, {} where it is empty. Raises as `answer` does."""
        given = {} if body is None and outer is None else body
        whole = await whole_of(await self.answer(method, path, query, given, outer))
        return msgspec.json.decode(whole, type=Value) if whole.strip() else {}

    async def rows(self, method: str, path: str, query: Query = ()) -> list[Value]:
        """The JSON objects of a list; [] where it is null. Raises as `answer` does."""
        whole = await whole_of(await self.answer(method, path, query, {}))
        return msgspec.json.decode(whole, type=list[Value] | None) or []

    async def lines(self, answer: Answer) -> AsyncIterator[Value]:
        """The JSON objects of a stream of them."""
        rest = b""
        async for chunk in pieces(answer):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line.strip():
                    yield msgspec.json.decode(line)
        if rest.strip():
            yield msgspec.json.decode(rest)

    async def create(self, body: Value, name: str) -> str:
        """A new container's id. Raises in podman's words."""
        try:
            return await self.engine.create(body, name)
        except errors.MaruError as error:
            raise _translated(error) from error

    async def initialise(self, reference: str) -> None:
        """Raises in podman's words."""
        try:
            await self.engine.initialise(reference)
        except errors.MaruError as error:
            raise _translated(error) from error


async def pieces(answer: Answer) -> AsyncIterator[bytes]:
    """An answer's body, streamed or not."""
    if isinstance(answer.body, bytes):
        yield answer.body
        return
    try:
        async for chunk in answer.body:
            yield chunk
    finally:
        await answer.body.aclose()  # type: ignore[attr-defined]  # bodies are generators


async def whole_of(answer: Answer) -> bytes:
    """All of it. Raises TooLarge over the bound of bodies."""
    parts, total_bytes = [], 0
    async for chunk in pieces(answer):
        total_bytes += len(chunk)
        if total_bytes > ANSWER_BYTES_MAX:
            raise TooLarge(what="the engine's answer", why="it does not end")
        parts.append(chunk)
    return b"".join(parts)


def _error(answer: Answer) -> errors.MaruError:
    text = answer.body if isinstance(answer.body, bytes) else b""
    try:
        message = str(msgspec.json.decode(text, type=Value).get("message") or "")
    except msgspec.MsgspecError:
        message = text.decode(errors="replace")
    words, cause = translated(message)
    kind = _KINDS.get(answer.status, errors.Unavailable)
    return kind(what=words, why="", fix="", cause=cause, status=answer.status)


def _translated(error: errors.MaruError) -> errors.MaruError:
    words, cause = translated(str(error))
    return type(error)(what=words, why="", fix="", **{**error.details, "cause": cause})
