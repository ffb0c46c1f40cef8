"""After a start of Maru: what documents say and what the runtime has are brought together again.

What runs is followed on; what ended meanwhile is dealt with as if it ended now; what its policy says
should be up is started. Source: moby daemon/daemon.go restore.
"""

from __future__ import annotations

import signal

from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.dock import OWNER, Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.controllers.ending import Ending
from maru.components.docker.controllers.starting import Starting
from maru.components.docker.model.restart import is_started_with_platform
from maru.contracts.runtime import ContainerState
from maru.core.errors import AlreadyExists, MaruError, NotFound
from maru.core.lifecycle import Background


class Adopting:
    """Takes over what is there."""

    def __init__(self, dock: Dock, boxes: Boxes, documents: Documents, starting: Starting, ending: Ending) -> None:
        self._dock = dock
        self._boxes = boxes
        self._documents = documents
        self._starting = starting
        self._ending = ending

    async def load(self) -> None:
        """Containers by their documents; what the runtime has beside them goes."""
        for container, state in await self._documents.containers():
            box = Box(container, state)
            try:
                self._boxes.reserve(container.name, container.id)
            except AlreadyExists:
                container.name = container.short_id
                self._boxes.reserve(container.name, container.id)
            self._boxes.add(box)
        for box in self._boxes.all():
            self._take_link_names(box)
        for status in self._dock.runtime.list(OWNER):
            if self._boxes.find(status.id) is None:
                await self._dock.runtime.remove(status.id)

    async def carry_on(self, tasks: Background) -> None:
        """Follow, end, or start each of them."""
        running = []
        for box in self._boxes.all():
            status = self._dock.runtime.find(box.id)
            if status is not None and status.state in (ContainerState.RUNNING, ContainerState.PAUSED):
                running.append(box.id)
            elif status is not None and status.pid and status.state is ContainerState.CREATED:
                await self._dock.runtime.kill(box.id, signal.SIGKILL)  # prepared, and never started
        await self._dock.network.retain(running)
        for box in self._boxes.all():
            if box.id in running:
                self._follow(box)
            else:
                tasks.start(self._bring_up(box), f"adopt {box.container.short_id}")

    def _follow(self, box: Box) -> None:
        status = self._dock.runtime.find(box.id)
        assert status is not None
        box.state.state = "paused" if status.state is ContainerState.PAUSED else "running"
        box.state.started_at = status.started_at or box.state.started_at
        self._starting.follow(box, is_new=False)

    async def _bring_up(self, box: Box) -> None:
        status = self._dock.runtime.find(box.id)
        wants = is_started_with_platform(box.container, box.state)
        try:
            if box.state.state in ("running", "paused"):
                if status is not None and status.exit_code is not None:
                    await self._ending.ended(box, status)
                else:
                    box.state.state, box.state.exit_code = "exited", 255
            elif box.state.state in ("removing", "dead"):
                box.state.state = "exited"
                await self._ending.remove(box, with_volumes=box.container.auto_remove)
                return
            if wants and box.state.state in ("exited", "restarting"):
                await self._start(box)
            elif box.state.state == "restarting":
                box.state.state = "exited"
            elif box.container.auto_remove and box.state.state == "exited":
                await self._ending.remove(box, with_volumes=True)
                return
        except NotFound:
            return
        self._documents.touch(box.id)

    async def _start(self, box: Box) -> None:
        box.cancel_restart()
        async with box.lock:
            box.state.state = "exited"
            try:
                await self._starting.start(box)
            except MaruError as error:
                self._dock.log.warning("a container was not started", container=box.id, error=str(error))

    def _take_link_names(self, box: Box) -> None:
        if box.container.network_mode != "bridge":
            return
        for entry in box.container.host_config.get("Links") or ():
            name, _, alias = entry.partition(":")
            other = self._boxes.find(name)
            if other is not None:
                self._boxes.reserve(f"{box.name}/{alias or name.removeprefix('/')}", other.id)
