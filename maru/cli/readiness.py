"""Waiting for a platform that was started: each process is shown as it becomes ready."""

from __future__ import annotations

import time
from pathlib import Path

from maru.boot.supervisor import WorkerStatus
from maru.cli import supervised
from maru.cli.log_lines import fields_of
from maru.cli.terminal import DIM, GREEN, colour, say
from maru.core.errors import MaruError, Unavailable

READY_DEADLINE_S = 90.0
SUPERVISOR_DEADLINE_S = 10.0  # for it to answer; far more than it takes
RESTARTS_MAX = 3  # a process that failed this often will not come by itself


def wait_ready(data_dir: Path, began: float, *, is_quiet: bool = False) -> None:
    """Return when all processes are ready; `began` is a time.monotonic() that ages are shown against.

    Raises Unavailable with the failing process's own words.
    """
    shown: set[str] = set()
    waited_from = time.monotonic()
    while True:
        workers = _workers_or_none(data_dir)
        for worker in workers:
            if worker.state == "ready" and worker.name not in shown:
                shown.add(worker.name)
                if not is_quiet:
                    _show(worker, time.monotonic() - began)
        if workers and len(shown) == len(workers):
            return
        waited_s = time.monotonic() - waited_from
        for worker in workers:
            if worker.problem and (worker.is_hopeless or worker.restarts >= RESTARTS_MAX):
                raise _problem_of(worker, data_dir)
        if not workers and waited_s > SUPERVISOR_DEADLINE_S and not supervised.supervisor_pid(data_dir):
            why = supervised.last_words(data_dir) or "its supervisor ended"
            raise Unavailable(what="starting Maru", why=why, fix=f"read {data_dir / 'log' / 'supervisor.log'}")
        if waited_s > READY_DEADLINE_S:
            waiting = ", ".join(worker.name for worker in workers if worker.name not in shown) or "the supervisor"
            raise Unavailable(
                what="starting Maru",
                why=f"{waiting} not ready after {READY_DEADLINE_S:.0f} s",
                fix=f"read {data_dir / 'log'}, then `maru doctor`",
            )
        time.sleep(supervised.POLL_S)


def _show(worker: WorkerStatus, age_s: float) -> None:
    parts = ", ".join(part for part in worker.parts if part not in ("store", "remote", "informers"))
    took = colour(f"{age_s:4.1f} s", DIM)
    say(f"  {colour('✓', GREEN)} {worker.name.ljust(9)}{took}   {colour(parts, DIM)}")


def _workers_or_none(data_dir: Path) -> list[WorkerStatus]:
    try:
        return list(supervised.ask(data_dir, "status"))
    except Unavailable:
        return []


def _problem_of(worker: WorkerStatus, data_dir: Path) -> MaruError:
    facts = fields_of(worker.problem)
    what = str(facts.get("what", f"the {worker.name} process"))
    fix = str(facts.get("fix", "")) or f"read {data_dir / 'log' / worker.name}.log"
    return Unavailable(what=what, why=str(facts.get("why", worker.problem)), fix=fix)
