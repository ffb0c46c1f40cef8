"""Processes that are run in running containers, and how they ended.

They live in memory: an exec does not outlive Maru's process, and is forgotten with its container.
Source: Docker Engine API v1.50, "Exec"; moby daemon/exec.go.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.blueprints import Blueprints
from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.model.failures import exec_words, failure_of
from maru.components.docker.model.oci_spec import environment, limits_of, process_of
from maru.contracts.runtime import ExecSpec, Session
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, NotFound
from maru.wire.oci.confinement import CAPABILITIES_ALL

SETTLE_S = 1.0
EXIT_CANNOT_RUN = 126  # dockerd says 127 only for the first process
EXECS_MAX = 4096  # remembered; the oldest that have ended are forgotten first


@dataclass(eq=False, slots=True)
class Exec:
    """One process. request: as it was asked for. exit_code: None until it has ended."""

    id: str
    box: Box
    request: Value
    session: Session | None = None
    pid: int = 0
    is_running: bool = False
    exit_code: int | None = None

    @property
    def words(self) -> list[str]:
        command = self.request.get("Cmd") or []
        return [command] if isinstance(command, str) else [str(word) for word in command]

    @property
    def is_terminal(self) -> bool:
        return bool(self.request.get("Tty"))


class Execs:
    """All of them."""

    def __init__(self, dock: Dock, boxes: Boxes, blueprints: Blueprints) -> None:
        self._dock = dock
        self._boxes = boxes
        self._blueprints = blueprints
        self._by_id: dict[str, Exec] = {}

    def create(self, reference: str, request: Value) -> Exec:
        """Raises NotFound, Conflict, Invalid."""
        box = self._boxes.want(reference)
        _check_running(box)
        made = Exec((self._dock.ids.uid() + self._dock.ids.uid()).replace("-", ""), box, request)
        if not made.words:
            raise Invalid(what="No exec command specified", why="")
        self._forget_some()
        self._by_id[made.id] = made
        box.execs[made.id] = None
        tell(self._dock, box, f"exec_create: {' '.join(made.words)}", execID=made.id)
        return made

    def want(self, exec_id: str) -> Exec:
        """Raises NotFound, also when its container has ended."""
        found = self._by_id.get(exec_id)
        if found is None or self._boxes.find(found.box.id) is not found.box:
            raise NotFound(what=f"No such exec instance: {exec_id}", why="")
        return found

    def check_startable(self, wanted: Exec) -> None:
        """Raises Conflict."""
        if wanted.exit_code is not None:
            raise Conflict(what=f"exec command {wanted.id} has already run", why="")
        if wanted.is_running:
            raise Conflict(what=f"exec command {wanted.id} is already running", why="")
        _check_running(wanted.box)

    async def start(self, wanted: Exec, *, is_terminal: bool, size: tuple[int, int] | None = None) -> Session:
        """Run it. size: columns and rows. Raises Invalid in dockerd's words; its code says why then."""
        self.check_startable(wanted)
        wanted.is_running = True
        try:
            process = await self._process(wanted, is_terminal=is_terminal)
            if size is not None and is_terminal:
                process["consoleSize"] = {"width": size[0], "height": size[1]}
            spec = ExecSpec(process, terminal=is_terminal, stdin=bool(wanted.request.get("AttachStdin")))
            tell(self._dock, wanted.box, f"exec_start: {' '.join(wanted.words)}", execID=wanted.id)
            session = await self._dock.runtime.exec(wanted.box.id, spec)
        except Invalid as error:
            wanted.is_running = False
            if not error.why:  # a user that is not there, a variable that cannot be
                wanted.exit_code = 126
                raise
            failure = failure_of(error.why, wanted.words[0])
            wanted.exit_code = EXIT_CANNOT_RUN
            raise Invalid(what=exec_words(failure), why="") from error
        except BaseException:
            wanted.is_running = False
            raise
        wanted.session, wanted.pid = session, session.pid
        self._dock.tasks.start(self._follow(wanted, session), f"exec {wanted.id[:12]}")
        return session

    async def settle(self, wanted: Exec) -> None:
        """Its output is at its end: wait the moment until its code is known, so that who asks next is told it."""
        if wanted.session is not None and wanted.is_running:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_S):
                    wanted.exit_code = await wanted.session.wait()
                    wanted.is_running = False

    def drain(self, session: Session) -> None:
        """Nobody listens: read on, so that it does not stall."""
        self._dock.tasks.start(_drain(session), "detached exec")

    async def _follow(self, wanted: Exec, session: Session) -> None:
        code = await session.wait()
        wanted.exit_code, wanted.is_running = code, False
        tell(self._dock, wanted.box, "exec_die", execID=wanted.id, exitCode=str(code))

    async def _process(self, wanted: Exec, *, is_terminal: bool) -> Value:
        box, request = wanted.box, wanted.request
        status = self._dock.runtime.find(box.id)
        if status is None:
            raise NotFound(what=f"No such container: {box.id}", why="")
        user_text = str(request.get("User") or box.container.config.get("User") or "")
        # Seen as the processes of the container see it: a volume may hold its users.
        root = f"/proc/{status.pid}/root" if status.pid else status.root_path
        security, user = await self._blueprints.identity_of(box, user_text, root)
        process = process_of(security, user, wanted.words, is_terminal=is_terminal) | limits_of(box.container)
        if request.get("Privileged"):
            process["capabilities"] = {name: list(CAPABILITIES_ALL) for name in ("bounding", "effective", "permitted")}
        more = [str(entry) for entry in request.get("Env") or ()]
        process["env"] = environment(box.container, user, is_terminal=is_terminal, more=more)
        process["cwd"] = request.get("WorkingDir") or box.container.config.get("WorkingDir") or "/"
        return process

    def _forget_some(self) -> None:
        while len(self._by_id) >= EXECS_MAX:
            ended = next((each for each in self._by_id.values() if not each.is_running), None)
            if ended is None:
                return
            del self._by_id[ended.id]
            ended.box.execs.pop(ended.id, None)


async def _drain(session: Session) -> None:
    async for _ in session.output():
        continue


def _check_running(box: Box) -> None:
    if box.state.state == "paused":
        raise Conflict(what=f"container {box.name} is paused, unpause the container before exec", why="")
    if box.state.state == "restarting":
        words = f"Container {box.id} is restarting, wait until the container is running"
        raise Conflict(what=words, why="")
    if box.state.state != "running":
        raise Conflict(what=f"container {box.id} is not running", why="")
