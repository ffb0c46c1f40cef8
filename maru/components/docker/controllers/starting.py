"""Starting a container: volumes, network, specification, process; and taking over those that run.

Source: moby daemon/start.go; contracts/runtime.py (laid out, launched, started).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from maru.components.docker.controllers.attributes import attributes, tell
from maru.components.docker.controllers.blueprints import Blueprints
from maru.components.docker.controllers.boxes import Box, Boxes, Waiter, fresh_health
from maru.components.docker.controllers.dock import OWNER, Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.controllers.health import follow_health
from maru.components.docker.controllers.networking import Networking
from maru.components.docker.model.create import process_words
from maru.components.docker.model.failures import Failure, failure_of, start_words
from maru.components.docker.model.health import check_of
from maru.components.docker.model.log_options import LogOptions, log_options
from maru.components.docker.model.oci_spec import environment, limits_of, process_of
from maru.contracts.runtime import ContainerSpec, ContainerStatus
from maru.core.document import Value
from maru.core.errors import Broken, Conflict, Invalid, MaruError, NotFound, Unavailable

Ended = Callable[[Box, ContainerStatus], Awaitable[None]]


class Starting:
    """Brings containers up. on_end: called once when a run has ended."""

    def __init__(
        self, dock: Dock, boxes: Boxes, documents: Documents, networking: Networking, blueprints: Blueprints
    ) -> None:
        self._dock = dock
        self._boxes = boxes
        self._documents = documents
        self._networking = networking
        self._blueprints = blueprints
        self._on_end: Ended | None = None

    def when_ended(self, on_end: Ended) -> None:
        """Say who deals with ends; before anything is started."""
        self._on_end = on_end

    async def lay_out(self, box: Box) -> None:
        """Its root file system; nothing to do if it is there. Raises NotFound when its image is gone."""
        if self._dock.runtime.find(box.id) is not None:
            return
        image = self._dock.images.find(box.container.image_id)
        if image is None:
            raise NotFound(what=f"No such image: {box.container.image}", why="")
        options = log_options(box.container)
        config = box.container.config
        name = box.container.host_config["Runtime"]
        await self._dock.runtime.create(
            ContainerSpec(
                id=box.id,
                owner=OWNER,
                layers=self._dock.images.layer_paths(image),
                image=image.id,
                spec={"process": {}},
                log_path=self.log_path(box, options),
                log_bytes_max=options.bytes_max,
                log_files_max=options.files_max,
                is_laid_out_only=True,
                terminal=box.container.is_terminal,
                stdin=bool(config.get("OpenStdin")),
                # Whoever detaches from a terminal leaves its input open.
                stdin_once=bool(config.get("StdinOnce")) and not box.container.is_terminal,
                runtime=self._dock.facts.runtime_names.get(name, name),
            )
        )

    def log_path(self, box: Box, options: LogOptions) -> str:
        """Where its log is, "" for none."""
        return str(self._dock.folder_of(box.id) / f"{box.id}-json.log") if options.is_kept else ""

    async def start(self, box: Box) -> bool:
        """False if it ran already. The caller holds its lock. Raises what dockerd says."""
        state = box.state
        if state.state == "running":
            return False
        if state.state == "paused":
            raise Conflict(what="cannot start a paused container, try unpause instead", why="")
        if state.state in ("removing", "dead"):
            raise Conflict(what="container is marked for removal and cannot be started", why="")
        waiters, box.waiters = box.waiters, []
        try:
            await self._start(box, waiters)
        except BaseException as error:
            await asyncio.shield(self._undo(box, waiters, error))
            raise
        return True

    async def prepare(self, box: Box) -> None:
        """Make its process, which waits for `start`. The caller holds its lock. Raises what dockerd says."""
        if box.state.state not in ("created", "exited") or box.is_prepared:
            raise Conflict(what=f"container {box.id} has already been initialized or runs", why="")
        try:
            await self._prepare(box)
        except BaseException as error:
            await asyncio.shield(self._undo(box, [], error))
            raise

    async def _prepare(self, box: Box) -> None:
        if box.container.environment:
            raise Broken(
                what=f"environment of container {box.name} cannot be opened",
                why="its key is another one now",
                fix="restore the docker component's environment.key, or make the container anew",
            )
        await self.lay_out(box)
        netns = await self._networking.open(box)
        blueprint = await self._blueprints.of(box, netns)
        extra = self._networking.link_variables(box)
        spec = self._blueprints.spec_of(blueprint, extra)
        try:
            await self._dock.runtime.launch(box.id, spec)
        except Invalid as error:
            raise _refused(error, box) from error
        box.is_prepared = True

    async def _start(self, box: Box, waiters: list[Waiter]) -> None:
        dock, state = self._dock, box.state
        if not box.is_prepared:
            await self._prepare(box)
        for waiter in waiters:
            if not waiter.session.done():
                waiter.session.set_result(await dock.runtime.attach(box.id, stdin=waiter.wants_stdin))
        try:
            status = await dock.runtime.start(box.id)
        except Invalid as error:
            raise _refused(error, box) from error
        box.is_prepared = False
        state.state, state.error = "running", ""
        state.started_at, state.finished_at = status.started_at, state.finished_at or ""
        state.exit_code, state.is_out_of_memory, state.is_stopped_by_user = 0, False, False
        self.follow(box, is_new=True)
        tell(dock, box, "start")

    def follow(self, box: Box, *, is_new: bool) -> None:
        """Watch a run to its end, and its health. is_new: it has just begun."""
        box.watch = self._dock.tasks.start(self._watch(box), f"container {box.container.short_id}")
        self.follow_health_anew(box, is_new=is_new)

    def follow_health_anew(self, box: Box, *, is_new: bool = True) -> None:
        """By its check as it is now."""
        check = check_of(box.container.config)
        if is_new or (check is not None and box.state.health is None):
            fresh_health(box.state, has_check=check is not None)
        box.cancel_health()
        if check is not None:
            box.health = self._dock.tasks.start(
                follow_health(self._dock, self._documents, self, box, check), f"health {box.container.short_id}"
            )
        self._documents.touch(box.id)

    async def exec_process(self, box: Box, words: list[str]) -> Value:
        """A process as the container's own user would run it."""
        status = self._dock.runtime.find(box.id)
        if status is None:
            raise NotFound(what=f"No such container: {box.id}", why="")
        security, user = await self._blueprints.identity_of(
            box, box.container.config.get("User") or "", status.root_path
        )
        process = process_of(security, user, words, is_terminal=False) | limits_of(box.container)
        process["env"] = environment(box.container, user, is_terminal=False)
        process["cwd"] = box.container.config.get("WorkingDir") or "/"
        return process

    def attributes(self, box: Box) -> dict[str, str]:
        """For events."""
        return attributes(box)

    async def _watch(self, box: Box) -> None:
        try:
            status = await self._dock.runtime.wait(box.id)
        except NotFound:
            return
        if self._on_end is not None and self._dock.runtime.find(box.id) is not None:
            await self._on_end(box, status)

    async def _undo(self, box: Box, waiters: list[Waiter], error: BaseException) -> None:
        """A start that failed leaves the container as it was, with the reason and a code."""
        words = str(error) if isinstance(error, MaruError) else "the start was broken off"
        box.is_prepared = False
        for waiter in waiters:
            if not waiter.session.done():
                waiter.session.set_exception(Unavailable(what=words, why=""))
                waiter.session.exception()  # whoever waited may be gone
        status = self._dock.runtime.find(box.id)
        if status is not None and status.pid and box.state.state != "running":
            await self._dock.runtime.kill(box.id, 9)
        await self._networking.close(box)
        box.state.error = words
        if box.state.state == "restarting":
            box.state.state = "exited"
        code = error.details.get("code") if isinstance(error, MaruError) else None
        box.state.exit_code = int(code) if code is not None else 128
        self._documents.touch(box.id)
        if box.container.auto_remove:
            box.exited(box.state.exit_code)


def _refused(error: Invalid, box: Box) -> Invalid:
    words = process_words(box.container.config)
    failure: Failure = failure_of(error.why, words[0] if words else "")
    return Invalid(what=start_words(failure), why="", code=failure.code)
