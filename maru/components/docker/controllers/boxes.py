"""The containers in memory, by id and by name, and what waits for them.

A reference is a whole id, a name (with or without its slash), or the beginning of an id that only one
has; in this order. Source: moby container/view.go GetContainer; error texts of daemon/container.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from maru.components.docker.model.container import Container, Health, State
from maru.contracts.runtime import Session
from maru.core.errors import AlreadyExists, Invalid, NotFound


@dataclass(eq=False, slots=True)
class Waiter:
    """Somebody who attached before the start. session: set once the process is ready to start."""

    wants_stdin: bool
    session: asyncio.Future[Session]


@dataclass(eq=False, slots=True)
class Box:
    """A container and its life. lock: taken by whatever changes it.

    next_exit, removed: resolved with the exit code, next_exit anew for each run. waiters: attached before
    the start. watch: follows the run; restart: waits to start it again; health: runs checks. is_prepared: its
    process is there and waits for the start.
    """

    container: Container
    state: State
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_exit: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    removed: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    waiters: list[Waiter] = field(default_factory=list)
    watch: asyncio.Task[None] | None = None
    restart: asyncio.Task[None] | None = None
    health: asyncio.Task[None] | None = None
    restart_delay_s: float = 0.0
    execs: dict[str, None] = field(default_factory=dict)
    is_prepared: bool = False

    @property
    def id(self) -> str:
        return self.container.id

    @property
    def name(self) -> str:
        return self.container.name

    def exited(self, code: int) -> None:
        """Tell those who wait for the end of a run."""
        done, self.next_exit = self.next_exit, asyncio.get_running_loop().create_future()
        done.set_result(code)

    def cancel_restart(self) -> None:
        if self.restart is not None:
            self.restart.cancel()
            self.restart = None

    def cancel_health(self) -> None:
        if self.health is not None:
            self.health.cancel()
            self.health = None


class Boxes:
    """All containers of this engine."""

    def __init__(self) -> None:
        self._by_id: dict[str, Box] = {}
        self._by_name: dict[str, str] = {}  # names and link names, without the first slash, to an id

    def all(self) -> Sequence[Box]:
        """Newest first."""
        return sorted(self._by_id.values(), key=lambda box: box.container.created, reverse=True)

    def find(self, reference: str) -> Box | None:
        """None when there is none. Raises Invalid when several ids begin so."""
        found = self._by_id.get(reference)
        if found is not None:
            return found
        named = self._by_name.get(reference.removeprefix("/"))
        if named is not None:
            return self._by_id.get(named)
        if not reference:
            return None
        fitting = [box for container_id, box in self._by_id.items() if container_id.startswith(reference)]
        if len(fitting) > 1:
            raise Invalid(what=f"Multiple IDs found with provided prefix: {reference}", why="")
        return fitting[0] if fitting else None

    def want(self, reference: str) -> Box:
        """Raises NotFound."""
        box = self.find(reference)
        if box is None:
            raise NotFound(what=f"No such container: {reference}", why="")
        return box

    def reserve(self, name: str, container_id: str) -> None:
        """Take a name. Raises AlreadyExists."""
        holder = self._by_name.get(name)
        if holder is not None and holder != container_id:
            raise AlreadyExists(
                what=f'Conflict. The container name "/{name}" is already in use by container "{holder}". You have to '
                "remove (or rename) that container to be able to reuse that name.",
                why="",
            )
        self._by_name[name] = container_id

    def is_taken(self, name: str) -> bool:
        return name in self._by_name

    def release(self, name: str) -> None:
        """Give a name back."""
        self._by_name.pop(name, None)

    def names_of(self, container_id: str) -> Sequence[str]:
        """Its own name and those it has in containers that link to it."""
        return [name for name, holder in self._by_name.items() if holder == container_id]

    def add(self, box: Box) -> None:
        """Its name is reserved already."""
        self._by_id[box.id] = box

    def drop(self, box: Box) -> None:
        """Forget a container and every name it had or gave."""
        self._by_id.pop(box.id, None)
        prefix = f"{box.name}/"
        for name, holder in list(self._by_name.items()):
            if holder == box.id or name.startswith(prefix):
                del self._by_name[name]


def fresh_health(state: State, *, has_check: bool) -> None:
    """A run begins: it is judged anew; what checks of an earlier run said stays in the log, as in dockerd."""
    log = state.health.log if state.health is not None else []
    state.health = Health(log=log) if has_check else None


def running_s(state: State, now: datetime, started: datetime | None) -> float:
    """How long this run lasts."""
    return (now - started).total_seconds() if started is not None and state.started_at else 0.0
