"""From tasks to containers: each task of this node has one, which runs as long as the task shall.

A task's container is one of docker's own: `docker ps` shows it, it outlives Maru, and its end is the task's.
Source: moby/swarmkit, agent/exec (the steps); moby daemon/cluster/executor/container (words and errors).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.creating import Creating
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.ending import Ending
from maru.components.docker.controllers.starting import Starting
from maru.components.docker.controllers.swarm.membership import Membership
from maru.components.docker.controllers.swarm.overlays import Overlays
from maru.components.docker.controllers.swarm.services import Services
from maru.components.docker.model.overlay import is_overlay
from maru.components.docker.model.swarm.containers import Attachment, create_body
from maru.components.docker.model.swarm.endpoints import endpoint_mode, is_in_ingress
from maru.components.docker.model.swarm.entries import Entry
from maru.components.docker.model.swarm.tasks import RUNNING, TASK_LABEL, Task, rank, status_value, task_of
from maru.components.docker.model.swarm.templates import Context
from maru.core.document import Value
from maru.core.errors import Conflict, MaruError, NotFound
from maru.core.lifecycle import Background
from maru.core.reconcile import Loop

AGAIN_S = 1.0
UNDER_WAY_S = 15.0  # a pull may take longer: its container is not made any more then
WORKERS = 16  # a stop may take as long as its grace period
UNHEALTHY = "dockerexec: unhealthy container"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the agent stands on."""

    dock: Dock
    boxes: Boxes
    creating: Creating
    starting: Starting
    ending: Ending
    membership: Membership
    overlays: Overlays
    services: Services


class Agent:
    """Runs the tasks of this node."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._dock = parts.dock
        self._loop: Loop[str] = self._new_loop()
        self._let_go: Callable[[], Awaitable[None]] = _nothing
        self._under_way: set[asyncio.Task[None]] = set()

    def before_ends(self, let_go: Callable[[], Awaitable[None]]) -> None:
        """Say what is awaited before a container is stopped: that no more traffic is sent there."""
        self._let_go = let_go

    def begin(self, tasks: Background) -> None:
        """Work as long as `tasks`."""
        self._loop = self._new_loop()
        self._parts.membership.shelves.tasks.kept.on_change(lambda place: self._loop.add(place[1]))
        for box in self._parts.boxes.all():
            if task_id_of(box):
                self._loop.add(task_id_of(box))
        tasks.start(self._listen(), "swarm events")
        tasks.start(self._loop.run(), "swarm tasks")

    def boxes(self) -> Sequence[Box]:
        """The containers of all tasks."""
        return [box for box in self._parts.boxes.all() if task_id_of(box)]

    async def remove_all(self) -> None:
        """When the swarm is left."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=UNDER_WAY_S)
        await asyncio.gather(*(self._remove(box) for box in self.boxes()))

    def box_of(self, task_id: str) -> Box | None:
        """The container of a task, None while there is none."""
        entry = self._parts.membership.shelves.tasks.get(task_id)
        named = self._parts.boxes.find(str(entry.status.get("name") or "")) if entry is not None else None
        if named is not None and task_id_of(named) == task_id:
            return named
        return next((box for box in self._parts.boxes.all() if task_id_of(box) == task_id), None)

    def context_of(self, entry: Entry) -> Context | None:
        """What its templates are about; None when its service is gone."""
        membership = self._parts.membership
        service = membership.shelves.services.get(str(entry.status.get("ServiceID") or ""))
        node = membership.shelves.nodes.get(membership.node_id)
        if service is None or node is None:
            return None
        description = node.status.get("Description") or {}
        platform = description.get("Platform") or {}
        return Context(
            service_id=service.id,
            service_name=service.name,
            service_labels=service.labels,
            node_id=node.id,
            hostname=str(description.get("Hostname") or ""),
            os=str(platform.get("OS") or ""),
            architecture=str(platform.get("Architecture") or ""),
            task_id=entry.id,
            task_name=str(entry.status["name"]),
            slot=int(entry.status.get("Slot") or 0),
            node_labels=node.labels,
        )

    async def _bring_right(self, task_id: str) -> float | None:
        """Whoever ends the loop ends no container half way: what is under way goes on to its end."""
        again: list[float | None] = []

        async def work() -> None:
            try:
                again.append(await self._work(task_id))
            except MaruError as error:
                self._dock.log.warning("a task is looked at again", task=task_id, error=str(error))
                again.append(AGAIN_S)

        under_way = self._dock.tasks.start(work(), f"swarm task {task_id}")
        self._under_way.add(under_way)
        under_way.add_done_callback(self._under_way.discard)
        await asyncio.shield(under_way)
        return again[0]

    async def _work(self, task_id: str) -> float | None:
        entry, box = self._parts.membership.shelves.tasks.get(task_id), self.box_of(task_id)
        if entry is None:
            if box is not None:
                await self._remove(box)
            return None
        task = task_of(entry)
        if task.is_over or task.node != self._parts.membership.node_id:
            return None
        if not task.is_wanted:
            await self._shut_down(task, box)
        elif box is None:
            left_s = (task.after - self._dock.clock.now()).total_seconds() if task.after is not None else 0.0
            if entry.status.get("isPutOff") and left_s > 0:
                return left_s
            await self._prepare(entry, task)
        elif task.desired == "ready":
            await self._report(task, "ready", "prepared", box)
        else:
            await self._follow(task, box)
        return None

    async def _prepare(self, entry: Entry, task: Task) -> None:
        """Make the container; the next look starts it."""
        if rank(task.state) >= rank("starting"):
            container = str((entry.status["Status"].get("ContainerStatus") or {}).get("ContainerID") or "")
            await self._report(task, "failed", task_words(task.state), error=f"No such container: {container}")
            return
        context = self.context_of(entry)
        if context is None:
            await self._report(task, "rejected", "preparing", error="its service is gone")
            return
        try:
            await self._have_image(entry, task)
            if self._parts.membership.shelves.tasks.get(task.id) is None:
                return
            body = create_body(task.spec, task.endpoint, self._attachments(entry), context)
            box = await self._parts.creating.create(body, context.task_name)
        except (MaruError, ValueError) as error:
            await self._report(task, "rejected", "preparing", error=str(error))
            return
        if task.desired == "ready":
            await self._report(task, "ready", "prepared", box)
        self._loop.add(task.id)

    async def _have_image(self, entry: Entry, task: Task) -> None:
        """Pull what is not here. Raises as a pull does."""
        images, reference = self._dock.images, str(task.spec["ContainerSpec"]["Image"])
        if images.find(reference) is not None:
            return
        await self._report(task, "preparing", "preparing")
        try:
            async for _ in images.pull(reference, self._parts.services.auth_of(str(entry.status["ServiceID"]))):
                pass
        except MaruError as error:
            raise NotFound(what=f"No such image: {reference}", why="") from error

    def _attachments(self, entry: Entry) -> Sequence[Attachment]:
        """Raises NotFound when a network is gone."""
        service = self._parts.membership.shelves.services.get(str(entry.status["ServiceID"]))
        spec = {"TaskTemplate": entry.spec, "EndpointSpec": entry.status.get("endpoint") or {}}
        name = service.name if service is not None else ""
        found = []
        for wanted in entry.spec.get("Networks") or ():
            network = self._parts.overlays.resolve(str(wanted["Target"]))
            names = [name, *(str(each) for each in wanted.get("Aliases") or ())]
            aliases = [f"tasks.{each}" for each in names]
            if endpoint_mode(spec) == "dnsrr" or network.spec.internal:
                aliases += names
            is_own = is_overlay(network.spec)
            options = {str(key): str(value) for key, value in (wanted.get("DriverOpts") or {}).items()}
            found.append(Attachment(network.id, network.name, aliases if is_own else (), options))
        if is_in_ingress(spec):
            ingress = self._parts.overlays.ingress()
            if ingress is None:
                raise NotFound(what="network ingress not found", why="")
            found.append(Attachment(ingress.id, ingress.name, (), {}))
        return found

    async def _follow(self, task: Task, box: Box) -> None:
        """It is to run: start it, or say how it runs, or how it ended."""
        state = box.state
        if state.state == "created":
            await self._start(task, box)
        elif state.state in ("running", "paused"):
            health = state.health.status if state.health is not None else ""
            if health == "unhealthy":
                await self._end_unhealthy(task, box)
            elif health == "starting":
                await self._report(task, "starting", "starting", box)
            else:
                await self._report(task, "running", "started", box)
        elif state.state == "exited":
            await self._ended(task, box)

    async def _start(self, task: Task, box: Box) -> None:
        try:
            async with box.lock:
                await self._parts.starting.start(box)
        except MaruError as error:
            await self._report(task, "failed", "starting", box, error=f"starting container failed: {error}")
            return
        self._loop.add(task.id)

    async def _ended(self, task: Task, box: Box) -> None:
        if box.state.exit_code == 0 and not box.state.error:
            await self._report(task, "complete", "finished", box)
            return
        words = f"task: non-zero exit ({box.state.exit_code})" + (f": {box.state.error}" if box.state.error else "")
        await self._report(task, "failed", "started", box, error=words)

    async def _end_unhealthy(self, task: Task, box: Box) -> None:
        await self._let_go()
        with suppress(MaruError):
            await self._parts.ending.stop(box, None)
        words = f"task: non-zero exit ({box.state.exit_code}): {UNHEALTHY}"
        await self._report(task, "failed", "started", box, error=words)

    async def _shut_down(self, task: Task, box: Box | None) -> None:
        if box is not None and box.state.is_running:
            await self._let_go()
            with suppress(NotFound, Conflict):
                await self._parts.ending.stop(box, None)
        await self._report(task, "shutdown", "shutdown", box)

    async def _remove(self, box: Box) -> None:
        """With the grace that its stop has."""
        if box.state.is_running:
            await self._let_go()
        with suppress(NotFound, Conflict):
            await self._parts.ending.stop(box, None)
        try:
            await self._parts.ending.remove(box, with_volumes=True, is_forced=True)
        except NotFound:
            return
        except Conflict:
            if box.state.state != "removing":
                raise
            await asyncio.shield(box.removed)  # somebody else is at it

    async def _report(self, task: Task, state: str, message: str, box: Box | None = None, *, error: str = "") -> None:
        if task.state == state:
            return
        now = self._dock.now()
        container: Value | None = None
        status: Value = {}
        if box is not None:
            runs = self._dock.runtime.find(box.id) if box.state.is_running else None
            pid = runs.pid if runs is not None else 0
            container = {"ContainerID": box.id, "PID": pid, "ExitCode": box.state.exit_code}
        if state == "running":
            status |= {"startedAt": now} | self._connections(box)
        shown = status_value(state, now, message=message, error=error, container=container)
        if state == "running" and box is not None:
            shown["PortStatus"] = _port_status(self._dock, box)
        await self._parts.membership.shelves.tasks.amend(task.id, {**status, "Status": shown})

    def _connections(self, box: Box | None) -> Value:
        connectivity = self._dock.network.find_connectivity(box.id) if box is not None else None
        if connectivity is None:
            return {}
        found = []
        for endpoint in connectivity.endpoints:
            network = self._parts.overlays.find(endpoint.network_id)
            if network is not None and is_overlay(network.spec):
                described = {
                    "ID": network.id,
                    "Spec": {"Name": network.name, "DriverConfiguration": {"Name": "overlay"}},
                }
                found.append({"Network": described, "Addresses": [f"{endpoint.ip}/{endpoint.prefix}"]})
        return {"NetworksAttachments": found}

    async def _listen(self) -> None:
        """What happens to containers of tasks."""
        async for event in self._dock.events.listen():
            if event.kind != "container":
                continue
            task_id = event.attributes.get(TASK_LABEL)
            if task_id and not event.action.startswith("exec_"):
                self._loop.add(task_id)

    def _new_loop(self) -> Loop[str]:
        return Loop("swarm tasks", self._bring_right, self._dock.clock, self._dock.ids, workers=WORKERS)


async def _nothing() -> None:
    return None


def task_id_of(box: Box) -> str:
    """The task that a container is of, "" for none."""
    return str((box.container.config.get("Labels") or {}).get(TASK_LABEL) or "")


def task_words(state: str) -> str:
    """The message of a task that was at `state` when it failed."""
    return "started" if rank(state) >= RUNNING else "starting"


def _port_status(dock: Dock, box: Box) -> Value:
    connectivity = dock.network.find_connectivity(box.id)
    ports = [
        {
            "Protocol": port.protocol,
            "TargetPort": port.container_port,
            "PublishedPort": port.host_port,
            "PublishMode": "host",
        }
        for port in (connectivity.ports if connectivity is not None else ())
        if ":" not in port.host_ip
    ]
    return {"Ports": ports} if ports else {}
