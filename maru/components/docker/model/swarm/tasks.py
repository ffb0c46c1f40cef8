"""Tasks: the steps of their life, their names, and what the Engine API shows of them.

Source: Docker Engine API v1.50, Task and TaskState; Docker's documentation, "Swarm task states".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from maru.components.docker.model.swarm.entries import Entry, entry_of, moment, shown
from maru.core.document import Value

ORDER = [
    "new",
    "pending",
    "assigned",
    "accepted",
    "preparing",
    "ready",
    "starting",
    "running",
    "complete",
    "shutdown",
    "failed",
    "rejected",
    "remove",
    "orphaned",
]
TASK_LABEL = "com.docker.swarm.task.id"
_FIELDS = [
    "ServiceID",
    "Slot",
    "NodeID",
    "Status",
    "DesiredState",
    "NetworksAttachments",
    "GenericResources",
    "JobIteration",
]


def rank(state: str) -> int:
    """Where a state stands; states only ascend."""
    return ORDER.index(state)


RUNNING = rank("running")


@dataclass(frozen=True, slots=True)
class Task:
    """What planning reads of a task. place: its slot, or its node in a global service. started: None before it ran.

    index: of the service's specification that it was made from; after: not to be started before.
    """

    id: str
    place: str
    node: str
    state: str
    desired: str
    created: datetime
    changed: datetime
    started: datetime | None
    after: datetime | None
    iteration: int
    spec: Value
    endpoint: Value

    @property
    def is_over(self) -> bool:
        """It runs no more, and will not again."""
        return rank(self.state) > RUNNING

    @property
    def is_wanted(self) -> bool:
        """It shall run, or end by itself."""
        return rank(self.desired) <= rank("complete")


def task_of(entry: Entry) -> Task:
    """From its document."""
    status = entry.status
    now = status.get("Status") or {}
    started, after = status.get("startedAt"), status.get("startAfter")
    return Task(
        id=entry.id,
        place=str(status.get("Slot") or status.get("NodeID") or status.get("place") or ""),
        node=str(status.get("NodeID") or ""),
        state=str(now.get("State") or "new"),
        desired=str(status.get("DesiredState") or "running"),
        created=moment(entry.created),
        changed=moment(str(now.get("Timestamp") or "")),
        started=moment(started) if started else None,
        after=moment(after) if after else None,
        iteration=int((status.get("JobIteration") or {}).get("Index") or 0),
        spec=entry.spec,
        endpoint=status.get("endpoint") or {},
    )


def task_entry_of(document: Value) -> Entry:
    """A task's document. Raises msgspec.ValidationError for one that somebody wrote by hand and got wrong."""
    entry = entry_of(document)
    try:
        task = task_of(entry)
        rank(task.state), rank(task.desired)
        assert str(entry.status["ServiceID"]) and str(entry.status["name"])
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise msgspec.ValidationError(f"not a task: {error!r}") from error
    return entry


def task_value(entry: Entry) -> Value:
    """As the API shows it."""
    return shown(entry, *_FIELDS) | {"Labels": {}}


def task_name(service: str, place: str, task_id: str) -> str:
    """The name of a task and of its container: web.1.x3ys..."""
    return f"{service}.{place}.{task_id}"


def status_value(state: str, now: str, *, message: str, error: str = "", container: Value | None = None) -> Value:
    """`Status` of a task. now: RFC 3339."""
    value: Value = {"Timestamp": now, "State": state, "Message": message, "Err": error or None, "PortStatus": {}}
    return value | ({"ContainerStatus": container} if container is not None else {})
