"""Health checks of running containers. Source: moby daemon/health.go."""

from __future__ import annotations

from typing import Protocol

from maru.components.docker.controllers.boxes import Box
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.model.health import OUTPUT_BYTES_MAX, Check, judged, next_check_s
from maru.core.document import Value
from maru.core.errors import Conflict, Deadline, Invalid, NotFound, Unavailable
from maru.wire.docker.moments import duration_text, moment_of


class Processes(Protocol):
    """Who knows what a process in a container looks like."""

    async def exec_process(self, box: Box, words: list[str]) -> Value: ...

    def attributes(self, box: Box) -> dict[str, str]: ...


async def follow_health(dock: Dock, documents: Documents, processes: Processes, box: Box, check: Check) -> None:
    """Check, judge and tell, until cancelled or the container has ended."""
    while True:
        health = box.state.health
        if health is None:
            return
        started = moment_of(box.state.started_at) or dock.clock.now()
        running_s = (dock.clock.now() - started).total_seconds()
        await dock.clock.sleep(next_check_s(health, check, running_s))
        if box.state.state == "paused":
            continue
        if box.state.state != "running":
            return
        result = await _run_once(dock, processes, box, check)
        if result is None or box.state.health is None:
            return
        running_s = (dock.clock.now() - started).total_seconds()
        before = box.state.health.status
        box.state.health = judged(box.state.health, check, result, running_s)
        documents.touch(box.id)
        if box.state.health.status != before:
            action = f"health_status: {box.state.health.status}"
            dock.events.publish("container", action, box.id, processes.attributes(box))


async def _run_once(dock: Dock, processes: Processes, box: Box, check: Check) -> Value | None:
    begun = dock.now()
    try:
        process = await processes.exec_process(box, list(check.words))
        code, output = await dock.runtime.exec_sync(box.id, process, check.timeout_s)
    except Deadline:
        said = f"Health check exceeded timeout ({duration_text(check.timeout_s)})"
        return {"Start": begun, "End": dock.now(), "ExitCode": -1, "Output": said}
    except Invalid as error:
        return {"Start": begun, "End": dock.now(), "ExitCode": -1, "Output": str(error)}
    except (Conflict, NotFound, Unavailable):
        return None
    text = output[:OUTPUT_BYTES_MAX].decode("utf-8", "replace") + ("..." if len(output) > OUTPUT_BYTES_MAX else "")
    return {"Start": begun, "End": dock.now(), "ExitCode": code, "Output": text}
