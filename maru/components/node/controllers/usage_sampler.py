"""What the containers of this node use: rates from the counters of their control groups.

Counters are read now and then and kept; a question reads them again and answers the rate since the
newest reading that is old enough, so that a window is never too short to mean something. A container
younger than that is measured since its start. Source: metrics-server, "How are metrics calculated".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.machine_figures import read_usage_blocking
from maru.contracts.runtime import ContainerState
from maru.contracts.usage import Measured, NodeUsage, PodUsage, Used
from maru.core.clock import parse_rfc3339, rfc3339

WINDOW_MIN_S = 2.0
SAMPLES_KEPT = 2
NODE = ""

Sample = tuple[float, Mapping[str, int]]
"""(monotonic seconds, processor time in ns by container id); the node itself stands under NODE."""


class UsageSampler:
    """Run it beside the Pods; `measure` may be asked at any time."""

    def __init__(self, workshop: Workshop, pods: Pods) -> None:
        self._workshop = workshop
        self._pods = pods
        self._samples: list[Sample] = []  # newest last, at most SAMPLES_KEPT

    async def run(self) -> None:
        """Read the counters until cancelled."""
        while True:
            node = await asyncio.to_thread(read_usage_blocking)
            counters = {NODE: node.cpu_ns}
            for status in self._workshop.runtime.list(owner="pods"):
                usage = self._workshop.runtime.usage(status.id) if status.state is ContainerState.RUNNING else None
                if usage is not None:
                    counters[status.id] = usage.cpu_ns
            self._samples = [*self._samples, (self._workshop.clock.monotonic_s(), counters)][-SAMPLES_KEPT:]
            await self._workshop.clock.sleep(self._workshop.config.usage_sample_s)

    async def measure(self) -> Measured:
        """The node and its Pods, now."""
        node = await asyncio.to_thread(read_usage_blocking)
        now, now_s = rfc3339(self._workshop.clock.now()), self._workshop.clock.monotonic_s()
        rate, window_s = self._rate(NODE, node.cpu_ns, now_s, "")
        whole = NodeUsage(now, window_s, Used(self._workshop.site.node_name, rate, node.memory_working_set_bytes))
        pods = []
        for worker in self._pods.list():
            containers, windows = [], [window_s]
            for listed in worker.memory.attempts(self._workshop).values():
                for attempt in listed:
                    usage = self._workshop.runtime.usage(attempt.id) if attempt.is_running else None
                    if usage is None:
                        continue
                    rate, window_s = self._rate(attempt.id, usage.cpu_ns, now_s, attempt.started_at)
                    containers.append(Used(attempt.name, rate, usage.memory_working_set_bytes))
                    windows.append(window_s)
            if containers:
                metadata = worker.pod["metadata"]
                pods.append(PodUsage(metadata["namespace"], metadata["name"], now, max(windows[1:]), tuple(containers)))
        return Measured(whole, tuple(pods))

    def _rate(self, key: str, cpu_ns: int, now_s: float, started_at: str) -> tuple[int, float]:
        """Nanocores, and the seconds they are over."""
        known = [(at_s, counters[key]) for at_s, counters in self._samples if key in counters]
        old_enough = [sample for sample in known if now_s - sample[0] >= WINDOW_MIN_S]
        if old_enough:
            since_s, before_ns = old_enough[-1]
            window_s = now_s - since_s
        elif started_at:
            before_ns, window_s = 0, (self._workshop.clock.now() - parse_rfc3339(started_at)).total_seconds()
        elif known:
            before_ns, window_s = known[-1][1], now_s - known[-1][0]
        else:
            return 0, 0.0
        window_s = max(window_s, 0.001)
        return max(0, int((cpu_ns - before_ns) / window_s)), round(window_s, 3)
