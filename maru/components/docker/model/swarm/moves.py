"""What a plan says of single tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to make. desired: running, ready (prepared, not started) or complete; after: not to be started before.

    is_put_off: not to be prepared before, either.
    """

    place: str
    desired: str
    after: datetime | None
    is_put_off: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Another state to be wanted of a task."""

    task_id: str
    desired: str
