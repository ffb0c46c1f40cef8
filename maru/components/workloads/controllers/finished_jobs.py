"""Finished Jobs go when their ttlSecondsAfterFinished has passed.

Source: k8s.io/kubernetes/pkg/controller/ttlafterfinished.
"""

from __future__ import annotations

from datetime import timedelta

from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.model.jobs import finished_condition
from maru.components.workloads.model.values import Place, uid_of
from maru.core.client import DeleteOptions
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.core.errors import NotFound
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import JOBS


class FinishedJobs(Controller):
    """Deletes on time."""

    name = "ttl-after-finished-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._jobs = self.watch_own(JOBS)

    async def bring_right(self, place: Place) -> float | None:
        document = self._jobs.get(*place)
        if document is None:
            return None
        left_s = self._left_s(document.value)
        if left_s is None or left_s > 0:
            return left_s
        try:
            job = await self.client.get(JOBS, *place)
            left_s = self._left_s(job)
            if left_s is None or left_s > 0:
                return left_s
            version = job["metadata"]["resourceVersion"]
            options = DeleteOptions(propagation="Foreground", uid=uid_of(job), resource_version=version)
            await self.client.delete(JOBS, *place, options)
        except NotFound:
            return None
        return None

    def _left_s(self, job: Value) -> float | None:
        """Seconds left to live; None when it lives on."""
        ttl_s, ended = job["spec"].get("ttlSecondsAfterFinished"), finished_condition(job)
        if ttl_s is None or ended is None or is_deleting(job):
            return None
        due = parse_rfc3339(ended["lastTransitionTime"]) + timedelta(seconds=int(ttl_s))
        return max(0.0, (due - self.clock.now()).total_seconds())
