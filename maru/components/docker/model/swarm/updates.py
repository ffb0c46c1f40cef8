"""How a service's update goes on: whether it may, whether it failed, when it is done.

A task of the new specification that ends before it has run for the monitor's time counts as a failure; when
their share is over what is allowed, the update pauses, goes on or rolls back, as was asked.
Source: Docker Engine API v1.50, ServiceUpdateStatus; moby/swarmkit, manager/orchestrator/update.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from maru.components.docker.model.swarm.entries import moment
from maru.components.docker.model.swarm.specs import SECOND_NS, flow_of
from maru.components.docker.model.swarm.tasks import RUNNING, Task, rank
from maru.core.document import Value

HALTED = ("paused", "rollback_paused")
UNDER_WAY = ("updating", "rollback_started")


@dataclass(frozen=True, slots=True)
class Update:
    """state: as the API names it, or "" for one whose first step is still to come. total: places it was to change."""

    state: str
    started: datetime
    now: datetime
    total: int = 0

    @property
    def is_rollback(self) -> bool:
        return self.state.startswith("rollback")


@dataclass(frozen=True, slots=True)
class Progress:
    """state: what it is from now on, "" for no change. rolls_back: to the specification before. rest_s: look again."""

    state: str = ""
    message: str = ""
    total: int = 0
    rolls_back: bool = False
    is_halted: bool = False
    rest_s: float = 0.0


def update_of(status: Value, now: datetime) -> Update | None:
    """From a service's UpdateStatus, and from what stands beside it."""
    shown = status.get("UpdateStatus")
    if not shown:
        begun = status.get("updateBegun")
        return Update("", moment(begun), now) if begun else None
    return Update(str(shown["State"]), moment(str(shown["StartedAt"])), now, int(status.get("updateTotal") or 0))


def progress_of(
    update: Update | None, spec: Value, places: Sequence[Sequence[Task]], clean: Mapping[str, bool]
) -> Progress | None:
    """None where there is no update."""
    if update is None:
        return None
    if update.state in HALTED:
        return Progress(is_halted=True)
    stale = [tasks for tasks in places if any(_is_live(task) and not clean[task.id] for task in tasks)]
    if not update.state:
        if not stale:
            return Progress()
        return Progress("updating", "update in progress", total=len(places))
    if update.state not in UNDER_WAY:
        return Progress()
    flow = flow_of(spec, is_rollback=update.is_rollback)
    monitor_s = int(flow["Monitor"]) / SECOND_NS
    fresh = [task for tasks in places for task in tasks if clean[task.id] and task.created >= update.started]
    failed = [task for task in fresh if _is_failure(task, monitor_s)]
    is_over = len(failed) / max(update.total or len(places), 1) > float(flow["MaxFailureRatio"] or 0)
    if failed and is_over and flow["FailureAction"] != "continue":
        return _failing(update, str(flow["FailureAction"]), failed[0].id)
    tried = {task.place for task in fresh if task.is_over}
    if stale or any(_is_live(task) and rank(task.state) < RUNNING and task.place not in tried for task in fresh):
        return Progress()
    return _settled(update, fresh, monitor_s)


def _settled(update: Update, fresh: Sequence[Task], monitor_s: float) -> Progress:
    # What is started anew later on is the restart policy's, and is not waited for.
    tries: dict[str, Task] = {}
    for task in sorted(fresh, key=lambda task: task.created):
        tries.setdefault(task.place, task)
    last = max((task.started for task in tries.values() if task.started is not None), default=None)
    rest_s = monitor_s - (update.now - last).total_seconds() if last is not None else 0.0
    if rest_s > 0:
        return Progress(rest_s=rest_s)
    if update.is_rollback:
        return Progress("rollback_completed", "rollback completed")
    return Progress("completed", "update completed")


def _failing(update: Update, action: str, task_id: str) -> Progress:
    if update.is_rollback:
        words = f"rollback paused due to failure or early termination of task {task_id}"
        return Progress("rollback_paused", words, is_halted=True)
    if action == "rollback":
        words = f"update rolled back due to failure or early termination of task {task_id}"
        return Progress("rollback_started", words, rolls_back=True, is_halted=True)
    words = f"update paused due to failure or early termination of task {task_id}"
    return Progress("paused", words, is_halted=True)


def _is_live(task: Task) -> bool:
    return task.is_wanted and not task.is_over


def _is_failure(task: Task, monitor_s: float) -> bool:
    if not task.is_over or task.state == "shutdown":
        return False
    return task.started is None or (task.changed - task.started).total_seconds() <= monitor_s
