"""A container runtime in memory: it passes tests/suites/runtime.py as the real one does.

It interprets a handful of commands (`true`, `false`, `echo`, `cat`, `sleep`, `sh -c "... exit N"`), and a
test can end a container with `exit_now`. `trail` lists the calls in order; `faults` makes the next call
of a method raise.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from maru.contracts.runtime import (
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ExecSpec,
    RuntimeChoice,
    Session,
    Usage,
)
from maru.core.clock import Clock, SystemClock
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Conflict, Deadline, Invalid, NotFound

COMMANDS = {"true", "false", "echo", "cat", "sleep", "sh"}


class FakeSession:
    """The streams of a fake process: what is written to stdin of `cat` comes back on stdout."""

    def __init__(self, *, echo: bool) -> None:
        self._echo = echo
        self._output: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.sizes: list[tuple[int, int]] = []
        self.code.add_done_callback(lambda _: self._output.put_nowait(None))

    @property
    def pid(self) -> int:
        return 4242

    def say(self, stream: int, chunk: bytes) -> None:
        self._output.put_nowait((stream, chunk))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while (item := await self._output.get()) is not None:
            yield item

    async def write_stdin(self, chunk: bytes) -> None:
        if self._echo:
            self.say(1, chunk)

    async def close_stdin(self) -> None:
        if self._echo and not self.code.done():
            self.code.set_result(0)

    async def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    async def wait(self) -> int:
        return await asyncio.shield(self.code)

    async def close(self) -> None:
        if not self.code.done():
            self.code.set_result(137)


@dataclass
class _Container:
    spec: ContainerSpec
    status: ContainerStatus
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: list[FakeSession] = field(default_factory=list)
    timer: asyncio.Task[None] | None = None


class FakeRuntime:
    """Containers that live in a dictionary; `restarted` gives a runtime that adopts the same ones."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._containers: dict[str, _Container] = {}
        self._listeners: set[asyncio.Queue[ContainerStatus]] = set()
        self._pid = 1000
        self.trail: list[tuple[str, str]] = []
        self.faults: dict[str, Exception] = {}
        self.resources: dict[str, Value] = {}
        self.usages: dict[str, Usage] = {}

    def restarted(self) -> FakeRuntime:
        """The runtime after its process was killed and came back: the containers are the same."""
        successor = FakeRuntime(self._clock)
        successor._containers = self._containers
        self._listeners = successor._listeners
        return successor

    def choices(self) -> Sequence[RuntimeChoice]:
        return [
            RuntimeChoice("crun", "/usr/bin/crun"),
            RuntimeChoice("vm", "", "it is not installed: apt-get install x"),
        ]

    async def create(self, container: ContainerSpec) -> ContainerStatus:
        self._call("create", container.id)
        if container.id in self._containers:
            raise AlreadyExists(what=f"container {container.id[:12]}", why="there is one of that id", fix="")
        if not container.is_laid_out_only:
            _check_command(container.id, container.spec)
            self._pid += 1
        status = ContainerStatus(
            id=container.id,
            owner=container.owner,
            state=ContainerState.CREATED,
            pid=0 if container.is_laid_out_only else self._pid,
            created_at=self._now(),
            labels=dict(container.labels),
            log_path=container.log_path,
            root_path=f"/fake/{container.id}/root",
        )
        self._containers[container.id] = _Container(container, status)
        return status

    async def start(self, container_id: str) -> ContainerStatus:
        self._call("start", container_id)
        container = self._want(container_id)
        if container.status.state is not ContainerState.CREATED or not container.status.pid:
            raise Conflict(what=f"container {container_id[:12]}", why=f"it is {container.status.state}", fix="")
        container.status = replace(container.status, state=ContainerState.RUNNING, started_at=self._now())
        started = container.status
        code, wait_s = _interpret(container.spec.spec["process"]["args"], lambda *said: self._log(container, *said))
        if wait_s:
            container.timer = asyncio.create_task(self._end_later(container_id, code or 0, wait_s))
        elif code is not None:
            asyncio.get_running_loop().call_soon(self.exit_now, container_id, code)
        return started

    async def launch(self, container_id: str, spec: Value) -> ContainerStatus:
        self._call("launch", container_id)
        container = self._want(container_id)
        if container.status.pid:
            raise Conflict(what=f"container {container_id[:12]}", why=f"it is {container.status.state}", fix="")
        _check_command(container_id, spec)
        self._pid += 1
        container.spec = replace(container.spec, spec=spec)
        container.exited, container.sessions = asyncio.Event(), []
        container.status = replace(
            container.status,
            state=ContainerState.CREATED,
            pid=self._pid,
            started_at="",
            finished_at="",
            exit_code=None,
            oom_killed=False,
        )
        return container.status

    def exit_now(self, container_id: str, code: int, *, oom: bool = False) -> None:
        """End a container as if its first process had exited with `code`."""
        container = self._containers.get(container_id)
        if container is None or container.status.state is ContainerState.EXITED or not container.status.pid:
            return
        container.status = replace(
            container.status,
            state=ContainerState.EXITED,
            exit_code=code,
            finished_at=self._now(),
            oom_killed=oom,
            pid=0,
        )
        if container.timer is not None and container.timer is not asyncio.current_task():
            container.timer.cancel()
        for session in container.sessions:
            if not session.code.done():
                session.code.set_result(code)
        container.exited.set()
        for listener in self._listeners:
            listener.put_nowait(container.status)

    async def kill(self, container_id: str, signal: int, *, all_processes: bool = False) -> None:
        self._call("kill", container_id)
        container = self._want(container_id)
        if signal in (9, 15) and container.status.state is not ContainerState.EXITED:
            ignores = "trap" in " ".join(container.spec.spec["process"]["args"])
            if signal == 9 or not ignores:
                asyncio.get_running_loop().call_soon(self.exit_now, container_id, 128 + signal)

    async def pause(self, container_id: str) -> None:
        self._call("pause", container_id)
        self._move(container_id, ContainerState.RUNNING, ContainerState.PAUSED)

    async def resume(self, container_id: str) -> None:
        self._call("resume", container_id)
        self._move(container_id, ContainerState.PAUSED, ContainerState.RUNNING)

    async def update_resources(self, container_id: str, resources: Value) -> None:
        self._call("update_resources", container_id)
        self._running(container_id)
        self.resources[container_id] = resources

    async def remove(self, container_id: str) -> None:
        self._call("remove", container_id)
        self.exit_now(container_id, 137)
        self._containers.pop(container_id, None)

    def find(self, container_id: str) -> ContainerStatus | None:
        container = self._containers.get(container_id)
        return container.status if container else None

    def list(self, owner: str = "") -> Sequence[ContainerStatus]:
        statuses = [container.status for container in self._containers.values()]
        return [status for status in statuses if not owner or status.owner == owner]

    def exits(self) -> AsyncIterator[ContainerStatus]:
        queue: asyncio.Queue[ContainerStatus] = asyncio.Queue()
        self._listeners.add(queue)
        return self._exits(queue)

    async def wait(self, container_id: str) -> ContainerStatus:
        container = self._want(container_id)
        await container.exited.wait()
        return container.status

    async def exec(self, container_id: str, spec: ExecSpec) -> Session:
        self._call("exec", container_id)
        self._running(container_id)
        args = spec.process["args"]
        if Path(args[0]).name not in COMMANDS:
            raise Invalid(what=f"exec in {container_id[:12]}", why=f'exec: "{args[0]}": not found', fix="")
        session = FakeSession(echo=Path(args[0]).name == "cat" and spec.stdin)
        code, wait_s = _interpret(args, session.say)
        if not wait_s and not (Path(args[0]).name == "cat" and spec.stdin):
            session.code.set_result(code or 0)
        self._containers[container_id].sessions.append(session)
        return session

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        self._call("attach", container_id)
        container = self._want(container_id)
        if container.status.state not in (ContainerState.CREATED, ContainerState.RUNNING):
            raise Conflict(what=f"container {container_id[:12]}", why=f"it is {container.status.state}", fix="")
        is_cat = container.spec.spec["process"]["args"][0].endswith("cat")
        session = _Attached(self, container_id, echo=is_cat and stdin and container.spec.stdin)
        container.sessions.append(session)
        return session

    async def exec_sync(self, container_id: str, process: Value, deadline_s: float) -> tuple[int, bytes]:
        self._call("exec_sync", container_id)
        self._running(container_id)
        if Path(process["args"][0]).name not in COMMANDS:
            raise Invalid(what=f"exec in {container_id[:12]}", why=f'exec: "{process["args"][0]}": not found', fix="")
        said: list[bytes] = []
        code, wait_s = _interpret(process["args"], lambda _, chunk: said.append(chunk))
        if wait_s > deadline_s:
            await self._clock.sleep(deadline_s)
            raise Deadline(what="exec", why=f"it ran longer than {deadline_s} s", fix="")
        return code or 0, b"".join(said)[: 16 * 1024]

    async def reopen_log(self, container_id: str) -> None:
        self._call("reopen_log", container_id)
        path = self._want(container_id).status.log_path
        if path:
            Path(path).touch()

    def usage(self, container_id: str) -> Usage | None:
        container = self._containers.get(container_id)
        if container is None or container.status.state is ContainerState.EXITED:
            return None
        return self.usages.get(container_id, Usage(1_000_000, 1 << 20, 1 << 20, 1))

    async def _exits(self, queue: asyncio.Queue[ContainerStatus]) -> AsyncIterator[ContainerStatus]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def _end_later(self, container_id: str, code: int, wait_s: float) -> None:
        await self._clock.sleep(wait_s)
        self.exit_now(container_id, code)

    def _log(self, container: _Container, stream: int, chunk: bytes) -> None:
        for session in container.sessions:
            session.say(stream, chunk)
        if container.spec.log_path:
            name = "stdout" if stream == 1 else "stderr"
            with Path(container.spec.log_path).open("ab") as file:
                for line in chunk.splitlines():
                    file.write(f"{self._now()} {name} F ".encode() + line + b"\n")

    def _call(self, method: str, container_id: str) -> None:
        self.trail.append((method, container_id))
        fault = self.faults.pop(method, None)
        if fault is not None:
            raise fault

    def _want(self, container_id: str) -> _Container:
        container = self._containers.get(container_id)
        if container is None:
            raise NotFound(what=f"container {container_id[:12]}", why="there is none of that id", fix="")
        return container

    def _running(self, container_id: str) -> _Container:
        container = self._want(container_id)
        if container.status.state is not ContainerState.RUNNING:
            raise Conflict(what=f"container {container_id[:12]}", why=f"it is {container.status.state}", fix="")
        return container

    def _move(self, container_id: str, old: ContainerState, new: ContainerState) -> None:
        container = self._want(container_id)
        if container.status.state is not old:
            raise Conflict(what=f"container {container_id[:12]}", why=f"it is {container.status.state}", fix="")
        container.status = replace(container.status, state=new)

    def _now(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


class _Attached(FakeSession):
    """Attached to the first process: its end is the container's."""

    def __init__(self, runtime: FakeRuntime, container_id: str, *, echo: bool) -> None:
        super().__init__(echo=echo)
        self._runtime = runtime
        self._container_id = container_id

    async def close_stdin(self) -> None:
        if self._echo:
            asyncio.get_running_loop().call_soon(self._runtime.exit_now, self._container_id, 0)

    async def close(self) -> None:
        if not self.code.done():
            self.code.cancel()


def _check_command(container_id: str, spec: Value) -> None:
    args = spec["process"]["args"]
    if not args or Path(args[0]).name not in COMMANDS:
        command = args[0] if args else ""
        raise Invalid(what=f"container {container_id[:12]}", why=f'exec: "{command}": not found', fix="")


def _interpret(args: Sequence[str], say: object) -> tuple[int | None, float]:
    """Exit code and seconds until then; code None: it runs until it is ended."""
    assert callable(say)
    name = Path(args[0]).name
    if name == "sh" and len(args) >= 3:
        return _interpret_script(args[2], say)
    if name == "echo":
        say(1, (" ".join(args[1:]) + "\n").encode())
        return 0, 0
    if name == "sleep":
        return 0, float(args[1])
    return {"true": 0, "false": 1}.get(name), 0


def _interpret_script(script: str, say: object) -> tuple[int | None, float]:
    assert callable(say)
    code: int | None = 0
    for statement in re.split(r";|&&", script):
        words = shlex.split(statement.replace(">&2", " >&2 "))
        stream = 2 if ">&2" in words else 1
        words = [word for word in words if word != ">&2"]
        if not words or words[0] == "trap":
            continue
        if words[0] == "exit":
            return int(words[1]), 0
        code, wait_s = _interpret(words, lambda _, chunk, stream=stream: say(stream, chunk))
        if wait_s or code is None:
            return code, wait_s
    return code, 0
