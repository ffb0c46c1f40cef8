"""From services to tasks: what `plan` says is written, and tasks without a node get one.

One key, one service; all are worked on one after another, since what one reserves the next cannot have.
Source: moby/swarmkit, design/orchestrators.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.swarm.membership import Membership
from maru.components.docker.controllers.swarm.services import Services
from maru.components.docker.model.swarm.entries import Entry, new_id
from maru.components.docker.model.swarm.moves import NewTask
from maru.components.docker.model.swarm.placement import NodeFacts, host_ports, refusal
from maru.components.docker.model.swarm.plan import Plan, Scene, plan, removal
from maru.components.docker.model.swarm.specs import mode_of, template_of
from maru.components.docker.model.swarm.tasks import Task, rank, status_value, task_name, task_of
from maru.components.docker.model.swarm.updates import Progress, update_of
from maru.core.document import Value
from maru.core.errors import Invalid, NotFound, NotSupported
from maru.core.lifecycle import Background
from maru.core.reconcile import Loop

_PENDING = "pending task scheduling"
_ASSIGNED = "scheduler assigned task to node"


class Orchestrator:
    """Keeps the tasks of all services right."""

    def __init__(self, dock: Dock, membership: Membership, services: Services) -> None:
        self._dock = dock
        self._membership = membership
        self._services = services
        self._lock = asyncio.Lock()
        self._owners: dict[str, str] = {}
        self._loop: Loop[str] = Loop("swarm services", self.bring_right, dock.clock, dock.ids)

    def begin(self, tasks: Background) -> None:
        """Work as long as `tasks`."""
        shelves = self._membership.shelves
        self._owners = {}
        self._loop = Loop("swarm services", self.bring_right, self._dock.clock, self._dock.ids)
        shelves.services.kept.on_change(lambda place: self._loop.add(place[1]))
        shelves.tasks.kept.on_change(lambda place: self._task_changed(place[1]))
        shelves.nodes.kept.on_change(lambda _: self._all_changed())
        tasks.start(self._loop.run(), "swarm services")

    async def bring_right(self, service_id: str) -> float | None:
        """Look at one service; when to look again."""
        async with self._lock:
            shelves = self._membership.shelves
            entry = shelves.services.get(service_id)
            tasks = [task_of(each) for each in shelves.tasks_of(service_id)]
            if entry is None:
                await self._carry_out(None, removal(tasks))
                return None
            try:
                entry = await self._services.completed(entry)
            except (Invalid, NotFound, NotSupported) as error:
                # Somebody wrote the document by hand: it says what is wrong, and its tasks stay as they are.
                if entry.status.get("message") != str(error):
                    await shelves.services.amend(entry.id, {"message": str(error)})
                return None
            done = plan(self._scene(entry, tasks))
            await self._carry_out(entry, done)
            if done.progress is not None and done.progress.state:
                await self._show(entry, done.progress)
            await self._place(entry)
            return done.again_s

    def _scene(self, entry: Entry, tasks: Sequence[Task]) -> Scene:
        cluster = self._membership.cluster
        now = self._dock.clock.now()
        limit = (cluster.spec.get("Orchestration") or {}).get("TaskHistoryRetentionLimit")
        iteration = ((entry.status.get("JobStatus") or {}).get("JobIteration") or {}).get("Index") or 0
        return Scene(
            service_id=entry.id,
            spec=entry.spec,
            tasks=tasks,
            nodes=self.nodes(),
            now=now,
            history=5 if limit is None else int(limit),
            update=update_of(entry.status, now),
            iteration=int(iteration),
        )

    async def _carry_out(self, entry: Entry | None, done: Plan) -> None:
        shelf = self._membership.shelves.tasks
        dropped = set(done.drop)
        for task_id in dropped:
            await shelf.delete(task_id)
        moves = {move.task_id: move.desired for move in done.move if move.task_id not in dropped}
        await asyncio.gather(
            *(shelf.amend(task_id, {"DesiredState": desired}) for task_id, desired in moves.items()),
        )
        for new in done.create:
            assert entry is not None, "only a service that is there gets tasks"
            await self._create(entry, new)  # one after another: each counts for where the next can be

    async def _create(self, entry: Entry, new: NewTask) -> None:
        task_id = new_id(self._dock.ids.uid())
        now = self._dock.now()
        status: Value = {
            "ServiceID": entry.id,
            "name": task_name(entry.name, new.place, task_id),
            "place": new.place,
            "DesiredState": new.desired,
            "Status": status_value("pending", now, message=_PENDING),
            "endpoint": entry.spec.get("EndpointSpec") or {},
            "startAfter": _stamp(new.after) if new.after is not None else None,
            "isPutOff": new.is_put_off or None,
        }
        if not mode_of(entry.spec).startswith("Global"):
            status["Slot"] = int(new.place)
        if entry.status.get("JobStatus"):
            status["JobIteration"] = entry.status["JobStatus"]["JobIteration"]
        node = next((each for each in self.nodes() if self._refusal(each, entry, new.place) == ""), None)
        if node is not None:
            status |= {"NodeID": node.id, "Status": status_value("assigned", now, message=_ASSIGNED)}
        await self._membership.shelves.tasks.create(task_id, template_of(entry.spec), status)

    async def _place(self, entry: Entry) -> None:
        """Tasks that still wait for a node, or learn why they have none."""
        shelves = self._membership.shelves
        for each in shelves.tasks_of(entry.id):
            task = task_of(each)
            if task.node or not task.is_wanted:
                continue
            refusals = {node.id: self._refusal(node, entry, task.place) for node in self.nodes()}
            suited = next((node_id for node_id, why in refusals.items() if not why), "")
            now = self._dock.now()
            if suited:
                assigned = status_value("assigned", now, message=_ASSIGNED)
                await shelves.tasks.amend(task.id, {"NodeID": suited, "Status": assigned})
                continue
            words = f"no suitable node ({'; '.join(dict.fromkeys(refusals.values()))})"
            if each.status["Status"].get("Err") != words:
                pending = status_value("pending", now, message=_PENDING, error=words)
                await shelves.tasks.amend(task.id, {"Status": pending})

    def _refusal(self, node: NodeFacts, entry: Entry, place: str) -> str:
        if mode_of(entry.spec).startswith("Global") and place != node.id:
            return "scheduling constraints not satisfied on 1 node"
        template = entry.spec["TaskTemplate"]
        return refusal(node, template, entry.id, host_ports(entry.spec.get("EndpointSpec") or {}))

    async def _show(self, entry: Entry, progress: Progress) -> None:
        """Write down how the update stands; one that failed goes back where that was asked."""
        shelf, now = self._membership.shelves.services, self._dock.now()
        before: Value = entry.status.get("UpdateStatus") or {}
        begun = before.get("StartedAt") or now
        status: Value = {"State": progress.state, "StartedAt": begun, "Message": progress.message}
        if progress.state.endswith("completed"):
            status["CompletedAt"] = now
        previous = entry.status.get("PreviousSpec")
        fresh = shelf.get(entry.id)
        if fresh is None or fresh.index != entry.index:
            return  # somebody has just changed it: it is looked at again
        if progress.rolls_back and previous is not None:
            status["StartedAt"] = now
            await shelf.replace(
                fresh, previous, {**fresh.status, "PreviousSpec": None, "UpdateStatus": status, "updateBegun": now}
            )
        else:
            patch: Value = {"UpdateStatus": status}
            if progress.total:
                patch["updateTotal"] = progress.total
                status["StartedAt"] = fresh.status.get("updateBegun") or now
            await shelf.amend(entry.id, patch)
        more = {"updatestate.new": progress.state}
        if before.get("State"):
            more["updatestate.old"] = str(before["State"])
        self._services.tell(entry, "update", **more)

    def nodes(self) -> Sequence[NodeFacts]:
        """All of them, with what live tasks have of each."""
        shelves = self._membership.shelves
        nodes = {entry.id: _facts(entry) for entry in shelves.nodes.all()}
        for each in shelves.tasks.kept.list():
            task = task_of(each)
            node = nodes.get(task.node)
            if node is None or task.is_over or rank(task.desired) > rank("complete"):
                continue
            reserved = (task.spec.get("Resources") or {}).get("Reservations") or {}
            service_id = str(each.status["ServiceID"])
            nodes[task.node] = replace(
                node,
                reserved_nano_cpus=node.reserved_nano_cpus + int(reserved.get("NanoCPUs") or 0),
                reserved_memory_bytes=node.reserved_memory_bytes + int(reserved.get("MemoryBytes") or 0),
                ports=node.ports | set(host_ports(task.endpoint)),
                replicas={**node.replicas, service_id: node.replicas.get(service_id, 0) + 1},
            )
        return list(nodes.values())

    def _task_changed(self, task_id: str) -> None:
        entry = self._membership.shelves.tasks.get(task_id)
        if entry is not None:
            self._owners[task_id] = str(entry.status.get("ServiceID") or "")
            self._loop.add(self._owners[task_id])
            return
        owner = self._owners.pop(task_id, "")
        if owner:
            self._loop.add(owner)

    def _all_changed(self) -> None:
        for entry in self._membership.shelves.services.all():
            self._loop.add(entry.id)


def _facts(entry: Entry) -> NodeFacts:
    description = entry.status.get("Description") or {}
    platform, resources = description.get("Platform") or {}, description.get("Resources") or {}
    return NodeFacts(
        id=entry.id,
        hostname=str(description.get("Hostname") or ""),
        role=str(entry.spec.get("Role") or ""),
        availability=str(entry.spec.get("Availability") or "active"),
        address=str((entry.status.get("Status") or {}).get("Addr") or ""),
        labels=entry.labels,
        engine_labels=(description.get("Engine") or {}).get("Labels") or {},
        os=str(platform.get("OS") or ""),
        architecture=str(platform.get("Architecture") or ""),
        nano_cpus=int(resources.get("NanoCPUs") or 0),
        memory_bytes=int(resources.get("MemoryBytes") or 0),
    )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
