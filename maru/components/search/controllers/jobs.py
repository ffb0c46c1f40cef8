"""Work that outlives its request: tasks of `wait_for_completion=false` and asynchronous searches.

What is done is kept for a time, in memory: a restart forgets it. Source: Elasticsearch reference, "Task
management APIs", "Async search".
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field

from maru.components.search.errors import answer_body, failure, status_of
from maru.core.clock import Clock
from maru.core.errors import MaruError
from maru.core.lifecycle import Background
from maru.wire.elastic.json import Object

JOBS_MAX = 1000
RUNNING_MAX = 100
KEEP_TASK_S = 3600.0


@dataclass
class Job:
    """outcome: the answer, once is_done; error: what went wrong instead. until_s: kept so long, monotonic."""

    number: int
    action: str
    description: str
    start_ms: int
    start_s: float
    until_s: float
    keep_s: float
    outcome: Object | None = None
    error: Object | None = None
    status: int = 200
    end_ms: int = 0
    end_s: float = 0.0
    is_cancelled: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Jobs:
    """All of them, by number."""

    def __init__(self, background: Background, clock: Clock) -> None:
        self._background = background
        self._clock = clock
        self._jobs: dict[int, Job] = {}
        self._last = 0

    def start(
        self, action: str, description: str, work: Coroutine[None, None, Object], keep_s: float = KEEP_TASK_S
    ) -> Job:
        """Run `work` beside. Raises es_rejected_execution_exception where too much runs."""
        self._sweep()
        if sum(not one.done.is_set() for one in self._jobs.values()) >= RUNNING_MAX:
            work.close()
            raise failure(429, "es_rejected_execution_exception", f"more than {RUNNING_MAX} tasks are running")
        now_s = self._clock.monotonic_s()
        now_ms = int(self._clock.now().timestamp() * 1000)
        job = Job(self.number(), action, description, now_ms, now_s, now_s + keep_s, keep_s)
        self._jobs[job.number] = job
        job.task = self._background.start(self._carry(job, work), action)
        return job

    def number(self) -> int:
        """The next number of a task."""
        self._last += 1
        return self._last

    async def wait(self, job: Job, limit_s: float) -> None:
        """Until it is done or the limit has passed."""
        try:
            async with asyncio.timeout(limit_s):
                await job.done.wait()
        except TimeoutError:
            return

    def find(self, number: int) -> Job | None:
        self._sweep()
        return self._jobs.get(number)

    def all(self) -> list[Job]:
        """Those that run."""
        return [one for one in self._jobs.values() if not one.done.is_set()]

    def cancel(self, job: Job) -> None:
        """What it wrote stays; it writes no more."""
        job.is_cancelled = True
        if job.task is not None:
            job.task.cancel()

    def forget(self, job: Job) -> None:
        """Cancel it where it runs, and let go of what it found."""
        if not job.done.is_set():
            self.cancel(job)
        self._jobs.pop(job.number, None)

    async def _carry(self, job: Job, work: Coroutine[None, None, Object]) -> None:
        try:
            job.outcome = await work
        except MaruError as error:
            job.error, job.status = answer_body(error), status_of(error)
        except asyncio.CancelledError:
            gone = failure(400, "task_cancelled_exception", "task cancelled [by user request]")
            job.error, job.status = answer_body(gone), 400
            if not job.is_cancelled:
                raise
        finally:
            job.end_ms = int(self._clock.now().timestamp() * 1000)
            job.end_s = self._clock.monotonic_s()
            job.done.set()

    def _sweep(self) -> None:
        now_s = self._clock.monotonic_s()
        old = [number for number, one in self._jobs.items() if one.done.is_set() and one.until_s < now_s]
        ended = [number for number, one in self._jobs.items() if one.done.is_set()]
        for number in {*old, *ended[: max(0, len(self._jobs) - JOBS_MAX)]}:
            del self._jobs[number]
