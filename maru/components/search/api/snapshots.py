"""Repositories and snapshots.

Source: Elasticsearch reference, "Snapshot and restore APIs".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.controllers.indices import Choice
from maru.components.search.errors import failure, illegal, no_such_index, unsupported
from maru.components.search.model.settings import index_settings
from maru.core.errors import MaruError
from maru.wire.elastic.json import Json, Object

_CREATES = ("indices", "ignore_unavailable", "include_global_state", "metadata", "partial", "expand_wildcards")
_RESTORES = (
    "indices",
    "ignore_unavailable",
    "include_global_state",
    "include_aliases",
    "partial",
    "rename_pattern",
    "rename_replacement",
    "index_settings",
    "ignore_index_settings",
)


class SnapshotApi:
    """The edges of snapshots."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._snapshots = house.snapshots

    def routes(self) -> Sequence[Route]:
        one = "/_snapshot/{repository}/{snapshot}"
        return [
            Route("GET", "/_snapshot", self.get_repository),
            Route("GET", "/_snapshot/{repository}", self.get_repository),
            Route("PUT POST", "/_snapshot/{repository}", self.put_repository),
            Route("DELETE", "/_snapshot/{repository}", self.delete_repository),
            Route("POST", "/_snapshot/{repository}/_verify", self.verify),
            Route("POST", "/_snapshot/{repository}/_cleanup", self.clean),
            Route("GET", "/_snapshot/_status", self.status),
            Route("GET", "/_snapshot/{repository}/_status", self.status),
            Route("GET", f"{one}/_status", self.status),
            Route("PUT POST", one, self.create),
            Route("GET", one, self.get),
            Route("DELETE", one, self.delete),
            Route("POST", f"{one}/_restore", self.restore),
            Route("PUT", f"{one}/_clone/{{target}}", self.clone),
        ]

    async def put_repository(self, call: Call) -> Reply:
        body = call.needs_body()
        await self._snapshots.put(call.part("repository"), body, is_verified=call.flag("verify", default=True))
        return Reply({"acknowledged": True})

    async def get_repository(self, call: Call) -> Reply:
        named = self._named_repositories(call.part("repository", "_all"))
        shelf = self._snapshots.shelf.all()
        return Reply({name: {key: shelf[name][key] for key in ("type", "uuid", "settings")} for name in named})

    async def delete_repository(self, call: Call) -> Reply:
        for name in self._named_repositories(call.part("repository")):
            await self._snapshots.shelf.delete(name)
        return Reply({"acknowledged": True})

    async def verify(self, call: Call) -> Reply:
        await self._snapshots.verify(call.part("repository"))
        return Reply({"nodes": {self._house.node_id: {"name": self._house.site.node_name}}})

    async def clean(self, call: Call) -> Reply:
        size_bytes, files = await self._snapshots.sweep(call.part("repository"))
        return Reply({"results": {"deleted_bytes": size_bytes, "deleted_blobs": files}})

    async def create(self, call: Call) -> Reply:
        body = call.object()
        _check(body, _CREATES, "create_snapshot")
        if body.get("include_global_state") in (True, "true"):
            raise unsupported("[include_global_state] of a snapshot")
        choice = Choice(
            ignore_unavailable=body.get("ignore_unavailable") in (True, "true"),
            expand=frozenset({"open", "closed", "hidden"}),
            forbids_closed=False,
        )
        named = self._house.indices.find(_listed(body.get("indices")), choice)
        chosen = [one.index for one in named]
        made = await self._snapshots.begin(call.part("repository"), call.part("snapshot"), chosen, body.get("metadata"))
        try:
            work = self._snapshots.carry_out(made, chosen)
            job = self._house.jobs.start("cluster:admin/snapshot/create", made["snapshot"], work)
        except MaruError:
            self._snapshots.abandon(made)
            raise
        if not call.flag("wait_for_completion"):
            return Reply({"accepted": True})
        await job.done.wait()
        return Reply({"snapshot": job.outcome} if job.outcome is not None else job.error, job.status)

    async def get(self, call: Call) -> Reply:
        found: list[Object] = []
        for repository in self._named_repositories(call.part("repository")):
            found += await self._chosen(call, repository)
        return Reply({"snapshots": found, "total": len(found), "remaining": 0})

    async def delete(self, call: Call) -> Reply:
        repository = call.part("repository")
        self._snapshots.folder(repository)
        found = await self._chosen(call, repository)
        await self._snapshots.delete(repository, [one["snapshot"] for one in found])
        return Reply({"acknowledged": True})

    async def status(self, call: Call) -> Reply:
        if not call.part("snapshot"):
            names = self._named_repositories(call.part("repository", "_all"))
            running = [one for name in names for one in await self._snapshots.all(name)]
            return Reply({"snapshots": [_status(one) for one in running if one["state"] == "IN_PROGRESS"]})
        self._snapshots.folder(call.part("repository"))
        found = await self._chosen(call, call.part("repository"))
        return Reply({"snapshots": [_status(one) for one in found]})

    async def restore(self, call: Call) -> Reply:
        body = call.object()
        _check(body, _RESTORES, "restore_snapshot")
        if body.get("include_global_state") in (True, "true"):
            raise unsupported("[include_global_state] of a snapshot")
        self._snapshots.folder(call.part("repository"))
        made = (await self._chosen(call, call.part("repository")))[0]
        if made["state"] != "SUCCESS":
            name = f"{made['repository']}:{made['snapshot']}/{made['uuid']}"
            reason = f"[{name}] unsupported snapshot state [{made['state']}]"
            raise failure(500, "snapshot_restore_exception", reason)
        definitions = await self._snapshots.definitions(made)
        wanted = _restored(definitions, body)
        work = self._restored(made, wanted)
        job = self._house.jobs.start("cluster:admin/snapshot/restore", made["snapshot"], work)
        if not call.flag("wait_for_completion"):
            return Reply({"accepted": True})
        await job.done.wait()
        return Reply(job.outcome if job.outcome is not None else job.error, job.status)

    async def _restored(self, made: Object, wanted: dict[str, tuple[str, Object]]) -> Object:
        await self._snapshots.restore(made, wanted)
        count = sum(int(spec["settings"].get("number_of_shards", 1)) for _, spec in wanted.values())
        shards = {"total": count, "failed": 0, "successful": count}
        names = [name for name, _ in wanted.values()]
        return {"snapshot": {"snapshot": made["snapshot"], "indices": names, "shards": shards}}

    async def clone(self, call: Call) -> Reply:
        raise unsupported("cloning a snapshot")

    def _named_repositories(self, expression: str) -> list[str]:
        """Raises repository_missing_exception."""
        there = self._snapshots.shelf.all()
        found: list[str] = []
        for part in expression.split(","):
            pattern = "*" if part == "_all" else part
            fitting = [name for name in there if fnmatchcase(name, pattern)]
            if not fitting and "*" not in pattern:
                raise failure(404, "repository_missing_exception", f"[{part}] missing", repository=part)
            found += [name for name in fitting if name not in found]
        return found

    async def _chosen(self, call: Call, repository: str) -> list[Object]:
        """Raises snapshot_missing_exception."""
        there = await self._snapshots.all(repository)
        found: list[Object] = []
        for part in call.part("snapshot").split(","):
            pattern = "*" if part == "_all" else part
            fitting = [
                one
                for one in there
                if fnmatchcase(one["snapshot"], pattern) or (part == "_current" and one["state"] == "IN_PROGRESS")
            ]
            if not fitting and "*" not in pattern and part != "_current" and not call.flag("ignore_unavailable"):
                raise failure(404, "snapshot_missing_exception", f"[{repository}:{part}] is missing")
            found += [one for one in fitting if one not in found]
        return found


def _restored(definitions: Object, body: Object) -> dict[str, tuple[str, Object]]:
    """Old name: (new name, definition). Raises index_not_found_exception, illegal_argument_exception."""
    chosen: list[str] = []
    for part in _listed(body.get("indices")).split(","):
        pattern = "*" if part in ("_all", "") else part.removeprefix("-")
        fitting = [name for name in definitions if fnmatchcase(name, pattern)]
        if part.startswith("-"):
            chosen = [name for name in chosen if name not in fitting]
            continue
        if not fitting and "*" not in pattern and body.get("ignore_unavailable") not in (True, "true"):
            raise no_such_index(part)
        chosen += [name for name in fitting if name not in chosen]
    dropped = tuple(_listed(body.get("ignore_index_settings")).split(",")) if body.get("ignore_index_settings") else ()
    patterns = [one.removeprefix("index.") for one in dropped]
    changed = index_settings(body.get("index_settings") or {})
    if "number_of_shards" in changed:
        raise illegal("cannot modify setting [index.number_of_shards] on restore")
    found: dict[str, tuple[str, Object]] = {}
    for name in chosen:
        spec = dict(definitions[name])
        kept = {
            key: one
            for key, one in spec["settings"].items()
            if not any(fnmatchcase(key, pattern) for pattern in patterns)
        }
        spec["settings"] = {**kept, **changed}
        if body.get("include_aliases", True) in (False, "false"):
            spec["aliases"] = {}
        found[name] = (_renamed(name, body), spec)
    names = [name for name, _ in found.values()]
    if len(set(names)) != len(names):
        raise failure(500, "snapshot_restore_exception", "indices would be renamed into one index")
    return found


def _renamed(name: str, body: Object) -> str:
    if not body.get("rename_pattern"):
        return name
    replacement = re.sub(r"\$(\d)", r"\\\1", str(body.get("rename_replacement", "")))
    try:
        return re.sub(str(body["rename_pattern"]), replacement, name)
    except (re.error, IndexError) as error:
        raise illegal(f"rename_pattern [{body['rename_pattern']}]: {error}") from error


def _status(made: Object) -> Object:
    is_done = made["state"] == "SUCCESS"
    total = made["shards"]["total"]
    return {
        "snapshot": made["snapshot"],
        "repository": made["repository"],
        "uuid": made["uuid"],
        "state": made["state"] if is_done else "STARTED",
        "include_global_state": False,
        "shards_stats": {
            "initializing": 0,
            "started": 0 if is_done else total,
            "finalizing": 0,
            "done": total if is_done else 0,
            "failed": 0,
            "total": total,
        },
        "stats": {
            "start_time_in_millis": made["start_time_in_millis"],
            "time_in_millis": made.get("duration_in_millis", 0),
        },
        "indices": {name: {} for name in made["indices"]},
    }


def _listed(given: Json) -> str:
    return ",".join(str(one) for one in given) if isinstance(given, list) else str(given or "_all")


def _check(body: Object, known: Sequence[str], what: str) -> None:
    for name in body:
        if name not in known:
            raise _unknown(what, name)


def _unknown(what: str, name: str) -> MaruError:
    return failure(400, "illegal_argument_exception", f"Unknown parameter {name} in [{what}]")
