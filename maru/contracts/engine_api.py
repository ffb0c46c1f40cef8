"""The Docker Engine API as a question inside of the process: another dialect asks what docker's socket would be asked.

Containers, their networks, volumes and streams have one owner; who speaks of them in other words translates,
and asks here. Beside the API's own operations stand the few that it has no words for.
Source: Docker Engine API v1.50; ADR 14.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from maru.core.document import Value
from maru.core.front.message import Answer, Request


class EngineApi(Protocol):
    """All of it runs on the caller's task; a request's body, streams and upgrades are the caller's to give."""

    async def answer(self, request: Request) -> Answer:
        """As the socket would answer; errors are answers (`message`), too."""
        ...

    async def create(self, body: Value, name: str) -> str:
        """ContainerCreate, and the new container's id; neither memory nor name has the least size that docker asks for.

        Raises what the API would say.
        """
        ...

    async def initialise(self, reference: str) -> None:
        """Make the process of a container that does not run, ready to start. Raises NotFound, Conflict."""
        ...

    async def set_health_check(self, reference: str, check: Value) -> None:
        """`Healthcheck` of its configuration from now on, also for a run under way. Raises NotFound, Invalid."""
        ...

    async def volume_archive(self, name: str) -> AsyncIterator[bytes]:
        """What is in a volume, as a tar. Raises NotFound."""
        ...

    async def fill_volume(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Unpack a tar into a volume. Raises NotFound, Invalid."""
        ...
