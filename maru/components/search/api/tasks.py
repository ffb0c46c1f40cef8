"""Tasks: what runs in the background, its end, and cancelling it.

Source: Elasticsearch reference, "Task management APIs".
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.controllers.jobs import Job
from maru.components.search.errors import illegal, missing
from maru.wire.elastic.json import Object
from maru.wire.elastic.units import duration_s

WAIT_S = 30.0


class TaskApi:
    """The edges of tasks."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/_tasks", self.list),
            Route("GET", "/_tasks/{task}", self.get),
            Route("POST", "/_tasks/_cancel", self.cancel),
            Route("POST", "/_tasks/{task}/_cancel", self.cancel),
        ]

    async def list(self, call: Call) -> Reply:
        """Those that run, and the question itself."""
        jobs = self._house.jobs
        now_ms, now_s = self._house.indices.now(), self._house.clock.monotonic_s()
        own = Job(jobs.number(), "cluster:monitor/tasks/lists", "", now_ms, now_s, 0.0, 0.0)
        return Reply(self._listed(call, self._chosen(call, [*jobs.all(), own])))

    async def get(self, call: Call) -> Reply:
        job = self._job(call.part("task"))
        if call.flag("wait_for_completion"):
            limit = call.arg("timeout")
            await self._house.jobs.wait(job, duration_s(limit) if limit else WAIT_S)
        told: Object = {"completed": job.done.is_set(), "task": self._shown(job, is_detailed=True)}
        if job.outcome is not None:
            told["response"] = job.outcome
        elif job.error is not None:
            told["error"] = job.error["error"]
        return Reply(told)

    async def cancel(self, call: Call) -> Reply:
        jobs = self._house.jobs
        name = call.part("task")
        found = self._chosen(call, [self._job(name)] if name else jobs.all())
        running = [one for one in found if not one.done.is_set()]
        for one in running:
            jobs.cancel(one)
        return Reply(self._listed(call, running))

    def _job(self, name: str) -> Job:
        node, _, number = name.rpartition(":")
        if not node or not number.isdigit():
            raise illegal(f"malformed task id {name}")
        found = self._house.jobs.find(int(number)) if node == self._house.node_id else None
        if found is None:
            raise missing(f"task [{name}] isn't running and hasn't stored its results")
        return found

    def _chosen(self, call: Call, found: Sequence[Job]) -> Sequence[Job]:
        patterns = [one for one in call.arg("actions").split(",") if one]
        nodes = [one for one in call.arg("nodes", call.arg("node_id")).split(",") if one]
        here = ("_local", "_all", "*", self._house.node_id, self._house.site.node_name, "_master")
        if nodes and not any(one in here for one in nodes):
            return []
        if call.arg("parent_task_id"):
            return []
        return [one for one in found if not patterns or any(fnmatchcase(one.action, each) for each in patterns)]

    def _listed(self, call: Call, found: Sequence[Job]) -> Object:
        is_detailed = call.flag("detailed")
        tasks = {f"{self._house.node_id}:{one.number}": self._shown(one, is_detailed=is_detailed) for one in found}
        group = call.arg("group_by", "nodes")
        if group == "none":
            return {"tasks": list(tasks.values())}
        if group == "parents":
            return {"tasks": tasks}
        if group != "nodes":
            raise illegal(f"No enum constant for group_by [{group}]")
        node = {
            "name": self._house.site.node_name,
            "transport_address": "127.0.0.1:9300",
            "host": "127.0.0.1",
            "ip": "127.0.0.1:9300",
            "roles": ["data", "ingest", "master"],
            "tasks": tasks,
        }
        return {"nodes": {self._house.node_id: node} if tasks else {}}

    def _shown(self, job: Job, *, is_detailed: bool) -> Object:
        end_s = job.end_s if job.done.is_set() else self._house.clock.monotonic_s()
        told: Object = {
            "node": self._house.node_id,
            "id": job.number,
            "type": "transport",
            "action": job.action,
            "start_time_in_millis": job.start_ms,
            "running_time_in_nanos": int((end_s - job.start_s) * 1e9),
            "cancellable": job.action != "cluster:monitor/tasks/lists",
            "headers": {},
        }
        if told["cancellable"]:
            told["cancelled"] = job.is_cancelled
        if is_detailed:
            told["description"] = job.description
        return told
