"""How runs end: by themselves, by stop and kill, and what follows: a restart, a removal, nothing.

Source: moby daemon/monitor.go handleContainerExit, daemon/stop.go, daemon/kill.go, daemon/delete.go.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass

from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.blueprints import release_blocking
from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.controllers.networking import Networking
from maru.components.docker.controllers.starting import Starting
from maru.components.docker.controllers.volumes import Volumes
from maru.components.docker.model.create import STOP_SIGNAL, STOP_TIMEOUT_S
from maru.components.docker.model.restart import is_restarted, next_delay_s
from maru.contracts.runtime import ContainerStatus
from maru.core.errors import Conflict, MaruError, NotFound
from maru.wire.docker.moments import moment_of
from maru.wire.docker.signals import parse_signal

KILL_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What ending stands on."""

    dock: Dock
    boxes: Boxes
    documents: Documents
    networking: Networking
    volumes: Volumes
    starting: Starting


class Ending:
    """Ends containers, and deals with those that end."""

    def __init__(self, parts: Parts) -> None:
        self._dock = parts.dock
        self._boxes = parts.boxes
        self._documents = parts.documents
        self._networking = parts.networking
        self._volumes = parts.volumes
        self._starting = parts.starting

    async def ended(self, box: Box, status: ContainerStatus) -> None:
        """A run is over: free what it had, tell, start again or remove as was asked."""
        async with box.lock:
            if box.state.state not in ("running", "paused"):
                return
            box.cancel_health()
            state = box.state
            state.exit_code = status.exit_code if status.exit_code is not None else 255
            state.finished_at, state.is_out_of_memory = status.finished_at or self._dock.now(), status.oom_killed
            if state.health is not None and state.health.status != "unhealthy":
                state.health.status = "unhealthy"
            await self._networking.close(box)
            await self._let_volumes_go(box)
            started, finished = moment_of(state.started_at), moment_of(state.finished_at)
            ran_s = (finished - started).total_seconds() if started and finished else 0.0
            if state.is_out_of_memory:
                tell(self._dock, box, "oom")
            tell(self._dock, box, "die", exitCode=str(state.exit_code), execDuration=str(int(ran_s)))
            if is_restarted(box.container, state):
                state.state = "restarting"
                self.start_later(box, ran_s)
            else:
                state.state, box.restart_delay_s = "exited", 0.0
            self._documents.touch(box.id)
            box.exited(state.exit_code)
        if box.container.auto_remove and box.state.state == "exited":
            with suppress(NotFound):
                await self.remove(box, with_volumes=True)

    def start_later(self, box: Box, ran_s: float) -> None:
        """After the pause that its policy has."""
        box.restart_delay_s = next_delay_s(box.restart_delay_s, ran_s)
        box.restart = self._dock.tasks.start(self._start_later(box), f"restart {box.container.short_id}")

    async def stop(self, box: Box, timeout_s: float | None, signal_name: str = "") -> bool:
        """Ask it to end, and end it after `timeout_s` (negative: wait for ever). False if it did not run."""
        if not box.state.is_running:
            return False
        box.state.is_stopped_by_user = True
        if box.state.state == "restarting":
            self._end_restarting(box)
            return True
        wanted = signal_name or box.container.config.get("StopSignal") or STOP_SIGNAL
        if timeout_s is None:
            configured = box.container.config.get("StopTimeout")
            timeout_s = float(STOP_TIMEOUT_S if configured is None else configured)
        ended = box.next_exit
        tell(self._dock, box, "kill", signal=str(parse_signal(wanted)))
        await self._dock.runtime.kill(box.id, parse_signal(wanted))
        if box.state.state == "paused":
            await self._resume(box)
        try:
            async with asyncio.timeout(timeout_s if timeout_s >= 0 else None):
                await asyncio.shield(ended)
        except TimeoutError:
            await self.kill_now(box)
        tell(self._dock, box, "stop")
        await self._documents.flush(box.id)
        return True

    async def kill(self, box: Box, number: int) -> None:
        """Send a signal; a SIGKILL is waited for. Raises Conflict."""
        if box.state.state == "restarting":
            box.state.is_stopped_by_user = True
            self._end_restarting(box)
            return
        if not box.state.is_running:
            words = f"container {box.id} is not running"
            raise Conflict(what=words, why="")
        if number in (signal.SIGKILL, parse_signal(box.container.config.get("StopSignal") or STOP_SIGNAL)):
            box.state.is_stopped_by_user = True
        tell(self._dock, box, "kill", signal=str(number))
        if number == signal.SIGKILL:
            await self.kill_now(box)
        else:
            await self._dock.runtime.kill(box.id, number)

    async def kill_now(self, box: Box) -> None:
        """SIGKILL, and wait for the end. Raises Conflict when it does not come."""
        ended = box.next_exit
        if box.state.state not in ("running", "paused"):
            return
        await self._dock.runtime.kill(box.id, signal.SIGKILL)
        try:
            async with asyncio.timeout(KILL_DEADLINE_S):
                await asyncio.shield(ended)
        except TimeoutError as error:
            words = f"cannot kill container: {box.id}: tried to kill container, but did not receive an exit event"
            raise Conflict(what=words, why="", status=500) from error

    async def remove(self, box: Box, *, with_volumes: bool = False, is_forced: bool = False) -> None:
        """Take a container away with all it has. Raises Conflict while it runs, unless forced."""
        if box.state.state == "removing":
            raise Conflict(what=f"removal of container {box.id} is already in progress", why="")
        if box.state.is_running and not is_forced:
            raise _still_running(box)
        if box.state.is_running:
            box.state.is_stopped_by_user = True
            if box.state.state == "restarting":
                self._end_restarting(box)
            else:
                tell(self._dock, box, "kill", signal=str(int(signal.SIGKILL)))
            await self.kill_now(box)
        async with box.lock:
            if self._boxes.find(box.id) is not box and is_forced:
                return  # it ended and went by itself (--rm), which is what was asked for
            if self._boxes.find(box.id) is not box:
                raise NotFound(what=f"No such container: {box.id}", why="")
            await self._take_away(box)
        if with_volumes:
            await self._remove_anonymous(box)
        tell(self._dock, box, "destroy")
        if not box.next_exit.done():
            box.exited(box.state.exit_code)
        if not box.removed.done():
            box.removed.set_result(box.state.exit_code)

    async def _take_away(self, box: Box) -> None:
        box.state.state = "removing"
        try:
            box.cancel_restart()
            await self._dock.runtime.remove(box.id)
            await self._networking.close(box)
            await asyncio.to_thread(_clear_blocking, str(self._dock.folder_of(box.id)))
            await self._documents.drop_container(box.container)
        except BaseException:
            box.state.state = "dead"  # and may be removed again
            raise
        self._boxes.drop(box)

    async def gone(self, container_id: str) -> None:
        """Its document was deleted: it goes, running or not."""
        box = self._boxes.find(container_id)
        if box is not None and box.state.state != "removing":
            with suppress(NotFound, Conflict):
                await self.remove(box, with_volumes=True, is_forced=True)

    async def _resume(self, box: Box) -> None:
        with suppress(Conflict, NotFound):
            await self._dock.runtime.resume(box.id)
            box.state.state = "running"

    def _end_restarting(self, box: Box) -> None:
        box.cancel_restart()
        box.state.state, box.restart_delay_s = "exited", 0.0
        self._documents.touch(box.id)
        box.exited(box.state.exit_code)

    async def _start_later(self, box: Box) -> None:
        await self._dock.clock.sleep(box.restart_delay_s)
        async with box.lock:
            if box.state.state != "restarting":
                return
            box.restart = None
            box.state.restart_count += 1
            count = box.state.restart_count
            try:
                await self._starting.start(box)
            except MaruError as error:
                self._dock.log.warning("a container was not started again", container=box.id, error=str(error))
                box.exited(box.state.exit_code)
            box.state.restart_count = count

    async def _let_volumes_go(self, box: Box) -> None:
        for point in box.container.mounts:
            if point.kind != "volume":
                continue
            users = [self._boxes.find(user) for user in self._volumes.users_of(point.name)]
            if not any(user is not None and user is not box and user.state.is_running for user in users):
                await self._volumes.let_go(point.name)

    async def _remove_anonymous(self, box: Box) -> None:
        for point in box.container.mounts:
            if point.kind == "volume" and point.is_anonymous:
                with suppress(Conflict, NotFound):
                    await self._volumes.remove(point.name)


def _still_running(box: Box) -> Conflict:
    # The words of dockerd up to 27, which the clients' own tests look for.
    hint = "Unpause and then stop" if box.state.state == "paused" else "Stop"
    words = f"You cannot remove a {box.state.state} container {box.id}. {hint} the container before attempting removal"
    return Conflict(what=f"{words} or force remove", why="")


def _clear_blocking(folder: str) -> None:
    release_blocking(folder)
    shutil.rmtree(folder, ignore_errors=True)
