"""Asynchronous searches: begun by one request, read by others.

Source: Elasticsearch reference, "Async search".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House, shards_of
from maru.components.search.api.searches import SearchApi
from maru.components.search.controllers.jobs import Job
from maru.components.search.errors import illegal, missing
from maru.wire.elastic.json import Object
from maru.wire.elastic.units import duration_s

WAIT_S = 1.0
KEEP_S = 5 * 86400.0


class AsyncSearchApi:
    """The edges of searches that run on."""

    def __init__(self, house: House, searches: SearchApi) -> None:
        self._house = house
        self._searches = searches
        self._ids: dict[str, Job] = {}

    def routes(self) -> Sequence[Route]:
        return [
            Route("POST", "/_async_search", self.submit),
            Route("POST", "/{index}/_async_search", self.submit),
            Route("GET", "/_async_search/status/{id}", self.status),
            Route("GET", "/_async_search/{id}", self.get),
            Route("DELETE", "/_async_search/{id}", self.delete),
        ]

    async def submit(self, call: Call) -> Reply:
        if call.has("scroll"):
            raise illegal("[scroll] queries are not supported")
        body = call.object()
        wait_s, keep_s = _time(call, "wait_for_completion_timeout", WAIT_S), _time(call, "keep_alive", KEEP_S)
        work = self._searches.answered(call, call.part("index"), body)
        job = self._house.jobs.start("indices:data/read/async_search/submit", call.part("index"), work, keep_s)
        if wait_s > 0:
            await self._house.jobs.wait(job, wait_s)
        if job.done.is_set() and not call.flag("keep_on_completion"):
            self._house.jobs.forget(job)
            return Reply(_shown("", job, self._house), job.status)
        for key in [key for key, one in self._ids.items() if self._house.jobs.find(one.number) is None]:
            del self._ids[key]
        key = self._house.ids.secret(32)
        self._ids[key] = job
        return Reply(_shown(key, job, self._house), job.status)

    async def get(self, call: Call) -> Reply:
        key, job = self._found(call)
        if call.has("keep_alive"):
            job.keep_s = _time(call, "keep_alive", KEEP_S)
            job.until_s = self._house.clock.monotonic_s() + job.keep_s
        wait_s = _time(call, "wait_for_completion_timeout", 0.0)
        if wait_s > 0:
            await self._house.jobs.wait(job, wait_s)
        return Reply(_shown(key, job, self._house), job.status)

    async def status(self, call: Call) -> Reply:
        key, job = self._found(call)
        told = _shown(key, job, self._house)
        answer = told.pop("response")
        told.pop("error", None)
        told["_shards"] = answer["_shards"]
        if job.done.is_set():
            told["completion_status"] = job.status
        return Reply(told)

    async def delete(self, call: Call) -> Reply:
        key, job = self._found(call)
        self._house.jobs.forget(job)
        del self._ids[key]
        return Reply({"acknowledged": True})

    def _found(self, call: Call) -> tuple[str, Job]:
        key = call.part("id")
        job = self._ids.get(key)
        if job is None or self._house.jobs.find(job.number) is None:
            raise missing(key)
        return key, job


def _shown(key: str, job: Job, house: House) -> Object:
    is_done = job.done.is_set()
    expires_ms = job.start_ms + int((job.until_s - job.start_s) * 1000)
    told: Object = {"id": key} if key else {}
    told |= {
        "is_partial": not is_done or job.error is not None,
        "is_running": not is_done,
        "start_time_in_millis": job.start_ms,
        "expiration_time_in_millis": expires_ms,
    }
    if is_done:
        told["completion_time_in_millis"] = job.end_ms
    begun: Object = {
        "took": int((house.clock.monotonic_s() - job.start_s) * 1000),
        "timed_out": False,
        "_shards": {**shards_of(1), "successful": 0},
        "hits": {"total": {"value": 0, "relation": "gte"}, "max_score": None, "hits": []},
    }
    told["response"] = job.outcome if job.outcome is not None else begun
    if job.error is not None:
        told["error"] = job.error["error"]
    return told


def _time(call: Call, name: str, default: float) -> float:
    """Raises illegal_argument_exception."""
    if not call.has(name):
        return default
    try:
        return duration_s(call.arg(name), name)
    except ValueError as error:
        raise illegal(str(error)) from error
