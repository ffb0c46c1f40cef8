"""What a plan says of single tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to make. desired: running, ready (prepared, not started) or complete; after: not to be started before."""

    place: str
    desired: str
    after: datetime | None


@dataclass(frozen=True, slots=True)
class Move:
    """Another state to be wanted of a task."""

    task_id: str
    desired: str
