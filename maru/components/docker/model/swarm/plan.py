"""Which tasks a service should have: pure, from what there is and what is wanted to what to do.

One place (a slot, or a node of a global service) has at most one task that shall run, but while an update
starts the new one first. What ended comes back as the restart policy says; tasks made from an older
specification are replaced as many at once as the update allows. Everything is worked out anew from the documents
each time, so that it goes on where it was after a restart. Source: Docker's documentation, "Apply rolling
updates to a service"; moby/swarmkit, manager/orchestrator (replicated, global, update, restart, taskreaper).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from maru.components.docker.model.swarm.jobs import plan_job
from maru.components.docker.model.swarm.moves import Move, NewTask
from maru.components.docker.model.swarm.placement import NodeFacts, is_suited
from maru.components.docker.model.swarm.specs import DELAY_NS, flow_of, is_changed, mode_of, template_of
from maru.components.docker.model.swarm.tasks import RUNNING, Task, rank
from maru.components.docker.model.swarm.updates import Progress, Update, progress_of
from maru.core.document import Value


@dataclass(frozen=True, slots=True)
class Scene:
    """What planning looks at. history: tasks kept in a place; update: how the service's update stands, None for none.

    nodes: all there are; iteration: of a job.
    """

    service_id: str
    spec: Value
    tasks: Sequence[Task]
    nodes: Sequence[NodeFacts]
    now: datetime
    history: int
    update: Update | None = None
    iteration: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """create, move, drop: tasks to make, to want otherwise, to forget. progress: of the update. again_s: look then."""

    create: Sequence[NewTask] = ()
    move: Sequence[Move] = ()
    drop: Sequence[str] = ()
    progress: Progress | None = None
    again_s: float | None = None


@dataclass(slots=True)
class _Draft:
    create: list[NewTask] = field(default_factory=list)
    move: list[Move] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    wait_s: list[float] = field(default_factory=list)

    def later(self, now: datetime, due: datetime) -> None:
        self.wait_s.append(max((due - now).total_seconds(), 0.01))


def plan(scene: Scene) -> Plan:
    """What to do now."""
    mode = mode_of(scene.spec)
    if mode.endswith("Job"):
        create, move, drop = plan_job(scene.spec, scene.tasks, scene.nodes, scene.iteration)
        return Plan(create, move, drop)
    draft = _Draft()
    places = _by_place(scene.tasks)
    wanted = _wanted_places(scene, places)
    for place, tasks in places.items():
        if place not in wanted:
            _clear(tasks, draft, "shutdown" if mode == "Global" else "remove")
    progress = progress_of(scene.update, scene.spec, [places.get(place, []) for place in wanted], _clean(scene))
    if progress is not None and progress.rest_s:
        draft.wait_s.append(progress.rest_s)
    for place in wanted:
        _fill(scene, place, places.get(place, []), draft)
    if progress is None or not progress.is_halted:
        _replace(scene, [places.get(place, []) for place in wanted], draft)
    for tasks in places.values():
        _forget(scene, tasks, draft)
    return Plan(draft.create, draft.move, draft.drop, progress, min(draft.wait_s, default=None))


def removal(tasks: Sequence[Task]) -> Plan:
    """The service is gone: so are its tasks, each when it has stopped."""
    draft = _Draft()
    _clear(tasks, draft, "remove")
    return Plan((), draft.move, draft.drop)


def is_clean(task: Task, spec: Value) -> bool:
    """Whether it was made from this specification, or one that means the same for tasks."""
    made = {"template": task.spec, "endpoint": task.endpoint}
    return not is_changed(made, {"template": template_of(spec), "endpoint": spec.get("EndpointSpec") or {}})


def _clean(scene: Scene) -> Mapping[str, bool]:
    return {task.id: is_clean(task, scene.spec) for task in scene.tasks}


def _by_place(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    """Oldest first in each."""
    places: dict[str, list[Task]] = {}
    for task in sorted(tasks, key=lambda task: (task.created, task.id)):
        places.setdefault(task.place, []).append(task)
    return places


def _wanted_places(scene: Scene, places: Mapping[str, Sequence[Task]]) -> list[str]:
    if mode_of(scene.spec) == "Global":
        return [node.id for node in scene.nodes if is_suited(node, scene.spec["TaskTemplate"])]
    count = int(scene.spec["Mode"]["Replicated"].get("Replicas") or 0)
    used = [int(place) for place, tasks in places.items() if place.isdigit() and any(t.is_wanted for t in tasks)]
    # What runs is kept before what does not, low numbers before high ones.
    used.sort(key=lambda place: (not any(task.state == "running" for task in places[str(place)]), place))
    kept, number = used[:count], 1
    dead = {int(place) for place in places if place.isdigit()} - set(used)
    if len(used) > count:
        return [str(place) for place in sorted(kept)]
    kept += sorted(dead)[: count - len(kept)]
    while len(kept) < count:
        if number not in kept:
            kept.append(number)
        number += 1
    return [str(place) for place in sorted(kept)]


def _clear(tasks: Sequence[Task], draft: _Draft, desired: str) -> None:
    for task in tasks:
        if rank(task.desired) < rank(desired) and not (task.is_over and desired == "shutdown" and not task.is_wanted):
            draft.move.append(Move(task.id, desired))
        if desired == "remove" and (task.is_over or not task.node):
            draft.drop.append(task.id)


def _fill(scene: Scene, place: str, tasks: Sequence[Task], draft: _Draft) -> None:
    """See that the place has a task, and that what ended is dealt with."""
    template = scene.spec["TaskTemplate"]
    nodes = {node.id: node for node in scene.nodes}
    live = [task for task in tasks if task.is_wanted]
    for task in live:
        node = nodes.get(task.node)
        if task.is_over or (task.node and (node is None or not is_suited(node, template))):
            draft.move.append(Move(task.id, "shutdown"))
    lasting = [task for task in live if not any(move.task_id == task.id for move in draft.move)]
    if lasting:
        _let_start(scene, tasks, lasting, draft)
        return
    last = tasks[-1] if tasks else None
    if last is None or not is_clean(last, scene.spec) or last.state == "shutdown" or not last.is_over:
        draft.create.append(NewTask(place, "running" if last is None or last.is_over else "ready", None))
        return
    again = _next_start(scene, tasks, last)
    if again is not None:
        # A task that was only just made and has to wait is shown as ready meanwhile.
        draft.create.append(NewTask(place, "ready", again, is_put_off=last.state == "rejected"))


def _next_start(scene: Scene, tasks: Sequence[Task], last: Task) -> datetime | None:
    """When what ended starts again; None for never."""
    policy = scene.spec["TaskTemplate"].get("RestartPolicy") or {}
    condition = str(policy.get("Condition") or "any")
    if condition == "none" or (condition == "on-failure" and last.state == "complete"):
        return None
    most, window_ns = int(policy.get("MaxAttempts") or 0), int(policy.get("Window") or 0)
    if most:
        since = scene.now - timedelta(microseconds=window_ns / 1000) if window_ns else None
        ended = [
            task
            for task in tasks
            if task.is_over
            and task.state != "shutdown"
            and is_clean(task, scene.spec)
            and (since is None or task.changed >= since)
        ]
        if len(ended) > most:
            return None
    delay_ns = policy.get("Delay")
    return last.changed + timedelta(microseconds=int(DELAY_NS if delay_ns is None else delay_ns) / 1000)


def _let_start(scene: Scene, tasks: Sequence[Task], live: Sequence[Task], draft: _Draft) -> None:
    """Ready ones begin when their time has come and what they replace has stopped."""
    is_stopping = any(not task.is_wanted and not task.is_over and task.node for task in tasks)
    is_first = flow_of(scene.spec, is_rollback=_is_rollback(scene))["Order"] == "start-first"
    for task in live:
        if task.desired != "ready":
            continue
        if task.after is not None and task.after > scene.now:
            draft.later(scene.now, task.after)
        elif is_first or not is_stopping:
            draft.move.append(Move(task.id, "running"))


def _replace(scene: Scene, places: Sequence[Sequence[Task]], draft: _Draft) -> None:
    """The next tasks of an older specification give way."""
    flow = flow_of(scene.spec, is_rollback=_is_rollback(scene))
    most, delay = int(flow["Parallelism"]) or len(places), timedelta(microseconds=int(flow.get("Delay") or 0) / 1000)
    since = scene.update.started if scene.update is not None else None
    busy, due = 0, []
    for tasks in places:
        live = [task for task in tasks if task.is_wanted and not task.is_over]
        fresh = [task for task in live if is_clean(task, scene.spec)]
        stale = [task for task in live if not is_clean(task, scene.spec)]
        newest = fresh[-1] if fresh else None
        if newest is not None and newest.state == "running":
            # Its forerunner, which ran on until now, is not needed any more.
            draft.move += [Move(task.id, "shutdown") for task in stale]
        if newest is None and stale:
            if _is_due_again(scene, tasks, draft):
                due.append(stale[-1])
        elif newest is not None and since is not None and newest.created >= since:
            is_resting = newest.started is not None and scene.now < newest.started + delay and newest.state == "running"
            # Once its first try has come to an end a place is done: what comes after is the restart policy's.
            is_tried = any(task.is_over and task.created >= since and is_clean(task, scene.spec) for task in tasks)
            if (rank(newest.state) < RUNNING and not is_tried) or is_resting:
                busy += 1
            if is_resting and newest.started is not None:
                draft.later(scene.now, newest.started + delay)
    for task in due[: max(most - busy, 0)]:
        if flow["Order"] == "start-first":
            draft.create.append(NewTask(task.place, "running", None))
        else:
            draft.move.append(Move(task.id, "shutdown"))
            draft.create.append(NewTask(task.place, "ready", None))


def _is_due_again(scene: Scene, tasks: Sequence[Task], draft: _Draft) -> bool:
    """Whether a successor may be tried; one that ended already has its restart policy."""
    tried = [task for task in tasks if task.is_over and task.state != "shutdown" and is_clean(task, scene.spec)]
    if not tried:
        return True
    again = _next_start(scene, tasks, tried[-1])
    if again is not None and again > scene.now:
        draft.later(scene.now, again)
    return again is not None and again <= scene.now


def _forget(scene: Scene, tasks: Sequence[Task], draft: _Draft) -> None:
    """The oldest of those that are over, beyond what is kept."""
    if scene.history < 0:
        return
    attempts = int((scene.spec["TaskTemplate"].get("RestartPolicy") or {}).get("MaxAttempts") or 0)
    most = attempts + 1 if attempts else scene.history
    over = [task for task in tasks if task.is_over and not task.is_wanted]
    extra = len(tasks) - max(most, 0)
    # One that ended is what tells that its place is done.
    keeps_last = bool(over) and over[-1] is tasks[-1]
    droppable = over[:-1] if keeps_last else over
    draft.drop += [task.id for task in droppable[: max(extra, 0)] if task.id not in draft.drop]


def _is_rollback(scene: Scene) -> bool:
    return scene.update is not None and scene.update.is_rollback
