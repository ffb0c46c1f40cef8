"""`maru status`: the processes, what runs in them, and what they cost."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import msgspec

from maru.boot.supervisor import WorkerStatus
from maru.cli import supervised
from maru.cli.terminal import GREEN, RED, colour, duration, mebibytes, say, table


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when all are ready, 1 when some are not. Raises Unavailable when Maru is down."""
    workers = supervised.ask(arguments.data_dir, "status")
    if arguments.output == "json":
        facts = [{**msgspec.to_builtins(worker), "memory_bytes": resident_bytes(worker.pid)} for worker in workers]
        say(msgspec.json.encode(facts).decode())
    else:
        header = ("PROCESS", "STATE", "PID", "MEMORY", "RESTARTS", "SINCE", "COMPONENTS")
        say(table(header, [_row(worker) for worker in workers]))
        for worker in workers:
            if worker.state != "ready" and worker.problem:
                say(colour(f"{worker.name}: {worker.problem}", RED))
    return 0 if all(worker.state == "ready" for worker in workers) else 1


def resident_bytes(pid: int) -> int:
    """The process's share of memory (PSS), 0 if it is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _row(worker: WorkerStatus) -> tuple[str, ...]:
    parts = ", ".join(part for part in worker.parts if part not in ("store", "remote", "informers"))
    state = colour(worker.state, GREEN) if worker.state == "ready" else worker.state
    memory = mebibytes(resident_bytes(worker.pid)) if worker.pid else "-"
    pid = str(worker.pid) if worker.pid else "-"
    return worker.name, state, pid, memory, str(worker.restarts), duration(time.time() - worker.since), parts
