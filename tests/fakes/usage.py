"""A source of usage that answers what a test says, about the Pods that run in the in-memory API."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maru.contracts.usage import Measured, NodeUsage, PodUsage, Used
from maru.core.clock import rfc3339
from maru.core.document import Value
from maru.kinds.pod_state import phase
from maru.kinds.resources import PODS
from tests.fakes.client import FakeClients


class FakeUsage:
    """uses: of a Pod, (cpu in millicores, memory in bytes) of each of its containers; None for no figures."""

    def __init__(self, api: FakeClients, uses: Callable[[Value], tuple[int, int] | None]) -> None:
        self._api = api
        self.uses = uses
        self.asked = 0

    async def measure(self) -> Sequence[Measured]:
        """As contracts.usage.UsageSource.measure, as one node."""
        self.asked += 1
        now = rfc3339(self._api.clock.now())
        node = NodeUsage(now, 10.0, Used("n1", 0, 0))
        pods = [self._pod(pod, now) for pod in self._api.all(PODS) if phase(pod) == "Running"]
        return [Measured(node, tuple(pod for pod in pods if pod is not None))]

    def _pod(self, pod: Value, now: str) -> PodUsage | None:
        uses = self.uses(pod)
        if uses is None:
            return None
        names = [container["name"] for container in pod["spec"]["containers"]]
        used = tuple(Used(name, uses[0] * 1_000_000, uses[1]) for name in names)
        return PodUsage(pod["metadata"]["namespace"], pod["metadata"]["name"], now, 10.0, used)
