"""What an exec, an attach or a port-forward sees of its client, whatever the wire protocol.

Source: k8s.io/apimachinery/pkg/util/remotecommand (v5.channel.k8s.io and older),
KEP-4006 (WebSockets), k8s.io/apimachinery/pkg/util/portforward.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from maru.core.document import Value


@dataclass(frozen=True, slots=True)
class Streams:
    """Which streams the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    terminal: bool


class CommandClient(Protocol):
    """The client's side of an exec or attach."""

    def stdin(self) -> AsyncIterator[bytes]:
        """What the client types; ends when it closes stdin (also half-close) or goes away."""
        ...

    def resizes(self) -> AsyncIterator[tuple[int, int]]:
        """(columns, rows) as the client's terminal changes."""
        ...

    async def write(self, stream: int, chunk: bytes) -> None:
        """Send output; stream 1 is stdout, 2 stderr. Raises Unavailable once the client is gone."""
        ...

    async def finish(self, status: Value) -> None:
        """Send the closing v1 Status (exit code or failure) and close the connection."""
        ...

    async def gone(self) -> None:
        """Return once the client went away."""
        ...


class ForwardedPort(Protocol):
    """One connection through a port-forward. `port` is the Pod's."""

    @property
    def port(self) -> int: ...
    async def read(self) -> bytes:
        """The next bytes from the client, b"" at its end."""
        ...

    async def write(self, chunk: bytes) -> None: ...
    async def fail(self, message: str) -> None:
        """Tell the client why the port cannot be reached."""
        ...

    async def close(self) -> None: ...


class ForwardClient(Protocol):
    """The client's side of a port-forward."""

    def connections(self) -> AsyncIterator[ForwardedPort]:
        """Each connection as the client opens it; ends when the client goes away."""
        ...

    async def close(self) -> None: ...
