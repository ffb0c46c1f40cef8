"""The `_cat` tables.

Source: Elasticsearch reference, "Compact and aligned text (CAT) APIs".
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

from maru.components.search.api.cluster import EVERYTHING
from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.figures import figures_of, memory_bytes, replicas_of, status_of_index
from maru.components.search.api.house import CLUSTER, House
from maru.components.search.api.table_columns import COLUMNS
from maru.components.search.errors import failure, illegal, unsupported
from maru.components.search.model.version import VERSION
from maru.wire.elastic.dates import iso
from maru.wire.elastic.json import Object
from maru.wire.elastic.media import as_yaml
from maru.wire.elastic.tables import ColumnFault, chosen, help_text, ordered, text, values
from maru.wire.elastic.units import duration_text, size_text

Rows = Callable[[Call], Awaitable[list[Object]]]


class CatApi:
    """Tables for people."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        rows: dict[str, Rows] = {
            "indices": self._indices,
            "health": self._health,
            "nodes": self._nodes,
            "shards": self._shards,
            "count": self._count,
            "aliases": self._aliases,
            "allocation": self._allocation,
            "master": self._master,
            "templates": self._templates,
            "component_templates": self._components,
            "segments": self._segments,
            "tasks": self._tasks,
            "thread_pool": self._unknown("_cat/thread_pool"),
            "recovery": self._recovery,
            "plugins": self._none,
            "pending_tasks": self._none,
            "nodeattrs": self._none,
            "fielddata": self._none,
            "repositories": self._repositories,
            "snapshots": self._snapshots,
        }
        routes = [Route("GET", "/_cat", self._contents)]
        for name, make in rows.items():
            action = self._table(name, make)
            routes.append(Route("GET", f"/_cat/{name}", action))
            if name in (
                "indices",
                "shards",
                "count",
                "aliases",
                "allocation",
                "templates",
                "segments",
                "recovery",
                "thread_pool",
                "component_templates",
                "fielddata",
                "snapshots",
            ):
                routes.append(Route("GET", f"/_cat/{name}/{{index}}", action))
        routes.append(Route("GET", "/_cat/cluster_manager", self._table("master", self._master)))
        return routes

    def _table(self, name: str, make: Rows) -> Callable[[Call], Awaitable[Reply]]:
        columns = COLUMNS[name]

        async def action(call: Call) -> Reply:
            if call.flag("help"):
                return Reply(help_text(columns))
            try:
                rows = ordered(await make(call), columns, call.arg("s"))
            except ColumnFault as error:
                raise failure(400, "unsupported_operation_exception", str(error)) from error
            shown = chosen(columns, call.arg("h"))
            rows = [_sized(row, call) for row in rows]
            form = call.arg("format") or ("json" if "json" in call.request.headers.get("Accept", "") else "text")
            if form == "json":
                return Reply(values(rows, shown))
            if form == "yaml":
                return Reply(
                    "---\n" + as_yaml(values(rows, shown)).lstrip("\n"), 200, {"Content-Type": "application/yaml"}
                )
            if form in ("cbor", "smile"):
                raise illegal(f"the format [{form}] is not supported by Maru")
            return Reply(text(rows, shown, heads=call.flag("v")))

        return action

    async def _contents(self, call: Call) -> Reply:
        return Reply("=^.^=\n" + "".join(f"/_cat/{name}\n" for name in COLUMNS))

    async def _indices(self, call: Call) -> list[Object]:
        named = self._house.find(call, default=EVERYTHING)
        if not call.has("expand_wildcards") and (not call.part("index") or "*" in call.part("index")):
            named = [one for one in named if not one.index.is_hidden or call.part("index").startswith(".")]
        rows = []
        for one in named:
            index, figures = one.index, await figures_of(one.index)
            created = int(index.spec.get("creation_date", 0))
            is_open = index.is_open
            row = {
                "health": status_of_index(index),
                "status": "open" if is_open else "close",
                "index": index.name,
                "uuid": index.uuid,
                "pri": index.shards,
                "rep": index.replicas,
                "docs.count": figures["docs"] if is_open else None,
                "docs.deleted": 0 if is_open else None,
                "creation.date": created,
                "creation.date.string": iso(created),
                "store.size": figures["bytes"],
                "pri.store.size": figures["bytes"],
                "dataset.size": figures["bytes"],
                "search.query_total": figures["searches"],
                "indexing.index_total": figures["indexed"],
                "segments.count": figures["segments"],
                "refresh.total": figures["refreshes"],
                "get.total": 0,
                "memory.total": 0,
            }
            if not call.has("health") or call.arg("health") == row["health"]:
                rows.append(row)
        return rows

    async def _health(self, call: Call) -> list[Object]:
        indices = self._house.indices.all()
        active = sum(index.shards for index in indices if not index.problem)
        waiting = sum(index.shards * replicas_of(index) for index in indices)
        worst = max(
            (status_of_index(index) for index in indices), key=["green", "yellow", "red"].index, default="green"
        )
        percent = 100.0 if not active + waiting else active * 100 / (active + waiting)
        now = self._house.clock.now()
        row = {
            "cluster": CLUSTER,
            "status": worst,
            "node.total": 1,
            "node.data": 1,
            "shards": active,
            "pri": active,
            "relo": 0,
            "init": 0,
            "unassign": waiting,
            "unassign.pri": 0,
            "pending_tasks": 0,
            "max_task_wait_time": "-",
            "active_shards_percent": f"{percent:.1f}%",
        }
        return [
            row
            if call.arg("ts") == "false"
            else {"epoch": int(now.timestamp()), "timestamp": now.strftime("%H:%M:%S"), **row}
        ]

    async def _nodes(self, call: Call) -> list[Object]:
        load = os.getloadavg()
        pages, free, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        disk = os.statvfs(self._house.site.data_dir)
        total, avail = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        house = self._house
        return [
            {
                "id": house.node_id if call.flag("full_id") else house.node_id[:4],
                "ip": "127.0.0.1",
                "port": 9300,
                "version": VERSION,
                "heap.percent": int(memory_bytes() * 100 / (pages * size)),
                "heap.current": memory_bytes(),
                "heap.max": pages * size,
                "ram.percent": int((pages - free) * 100 / pages),
                "ram.current": (pages - free) * size,
                "ram.max": pages * size,
                "cpu": min(100, int(load[0] * 100 / (os.cpu_count() or 1))),
                "load_1m": f"{load[0]:.2f}",
                "load_5m": f"{load[1]:.2f}",
                "load_15m": f"{load[2]:.2f}",
                "disk.total": total,
                "disk.used": total - avail,
                "disk.avail": avail,
                "disk.used_percent": f"{(total - avail) * 100 / total:.2f}",
                "pid": os.getpid(),
                "http_address": f"127.0.0.1:{house.site.port(house.config.port)}",
                "node.role": "dim",
                "master": "*",
                "name": house.site.node_name,
            }
        ]

    async def _shards(self, call: Call) -> list[Object]:
        rows = []
        for one in self._house.find(call, default=EVERYTHING):
            figures = await figures_of(one.index)
            for number in range(one.index.shards):
                own = figures if number == 0 else {"docs": 0, "bytes": 0, "segments": 0}
                rows.append(
                    {
                        "index": one.index.name,
                        "shard": number,
                        "prirep": "p",
                        "state": "STARTED" if not one.index.problem else "UNASSIGNED",
                        "docs": own["docs"],
                        "store": own["bytes"],
                        "dataset": own["bytes"],
                        "ip": "127.0.0.1",
                        "id": self._house.node_id,
                        "node": self._house.site.node_name,
                        "segments.count": own["segments"],
                    }
                )
                rows += [
                    {
                        "index": one.index.name,
                        "shard": number,
                        "prirep": "r",
                        "state": "UNASSIGNED",
                        "docs": None,
                        "store": None,
                        "ip": None,
                        "node": None,
                        "unassigned.reason": "INDEX_CREATED",
                    }
                    for _ in range(replicas_of(one.index))
                ]
        return rows

    async def _count(self, call: Call) -> list[Object]:
        from maru.components.search.engine.searching.executing import Search
        from maru.components.search.engine.searching.request import parse_request

        named = self._house.find(call)
        search = Search(
            await self._house.indices.targets(named),
            parse_request(
                {
                    "query": call.object().get("query"),
                    **({"query": {"query_string": {"query": call.arg("q")}}} if call.has("q") else {}),
                }
            ),
            self._house.around(),
        )
        now = self._house.clock.now()
        return [
            {"epoch": int(now.timestamp()), "timestamp": now.strftime("%H:%M:%S"), "count": search.count_blocking()}
        ]

    async def _aliases(self, call: Call) -> list[Object]:
        from fnmatch import fnmatchcase

        rows = []
        for index in self._house.indices.all():
            for alias, spec in index.aliases.items():
                if not call.part("index") or any(fnmatchcase(alias, one) for one in call.part("index").split(",")):
                    rows.append(
                        {
                            "alias": alias,
                            "index": index.name,
                            "filter": "*" if spec.get("filter") else "-",
                            "routing.index": spec.get("index_routing", "-"),
                            "routing.search": spec.get("search_routing", "-"),
                            "is_write_index": str(spec["is_write_index"]).lower() if "is_write_index" in spec else "-",
                        }
                    )
        return sorted(rows, key=lambda row: (row["alias"], row["index"]))

    async def _allocation(self, call: Call) -> list[Object]:
        disk = os.statvfs(self._house.site.data_dir)
        total, avail = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        indices = self._house.indices.all()
        size = sum([(await figures_of(index))["bytes"] for index in indices])
        waiting = sum(index.shards * replicas_of(index) for index in indices)
        rows: list[Object] = [
            {
                "shards": sum(index.shards for index in indices),
                "shards.undesired": 0,
                "write_load.forecast": 0.0,
                "disk.indices.forecast": size,
                "disk.indices": size,
                "disk.used": total - avail,
                "disk.avail": avail,
                "disk.total": total,
                "disk.percent": (total - avail) * 100 // total,
                "host": "127.0.0.1",
                "ip": "127.0.0.1",
                "node": self._house.site.node_name,
                "node.role": "dim",
            }
        ]
        return [*rows, {"shards": waiting, "node": "UNASSIGNED"}] if waiting else rows

    async def _master(self, call: Call) -> list[Object]:
        return [{"id": self._house.node_id, "host": "127.0.0.1", "ip": "127.0.0.1", "node": self._house.site.node_name}]

    async def _templates(self, call: Call) -> list[Object]:
        from fnmatch import fnmatchcase

        rows = [
            {
                "name": name,
                "index_patterns": f"[{', '.join(spec['index_patterns'])}]",
                "order": spec.get("order", 0),
                "version": spec.get("version"),
                "composed_of": "",
            }
            for name, spec in self._house.templates.legacy.all().items()
        ]
        rows += [
            {
                "name": name,
                "index_patterns": f"[{', '.join(spec['index_patterns'])}]",
                "order": spec.get("priority", 0),
                "version": spec.get("version"),
                "composed_of": f"[{', '.join(spec.get('composed_of') or [])}]",
            }
            for name, spec in self._house.templates.composable.all().items()
        ]
        return [
            row
            for row in rows
            if not call.part("index")
            or any(fnmatchcase(str(row["name"]), one) for one in call.part("index").split(","))
        ]

    async def _components(self, call: Call) -> list[Object]:
        rows = []
        for name, spec in self._house.templates.components.all().items():
            part = spec.get("template") or {}
            users = [
                key
                for key, one in self._house.templates.composable.all().items()
                if name in (one.get("composed_of") or [])
            ]
            rows.append(
                {
                    "name": name,
                    "version": spec.get("version"),
                    "alias_count": len(part.get("aliases") or {}),
                    "mapping_count": len((part.get("mappings") or {}).get("properties") or {}),
                    "settings_count": len(part.get("settings") or {}),
                    "metadata_count": len(spec.get("_meta") or {}),
                    "included_in": f"[{', '.join(users)}]",
                }
            )
        return [row for row in rows if not call.part("index") or row["name"] == call.part("index")]

    async def _segments(self, call: Call) -> list[Object]:
        rows = []
        for one in self._house.find(call):
            figures = await figures_of(one.index)
            if figures["segments"]:
                rows.append(
                    {
                        "index": one.index.name,
                        "shard": 0,
                        "prirep": "p",
                        "ip": "127.0.0.1",
                        "id": self._house.node_id,
                        "segment": "_0",
                        "generation": 0,
                        "docs.count": figures["docs"],
                        "docs.deleted": 0,
                        "size": figures["bytes"],
                        "size.memory": 0,
                        "committed": True,
                        "searchable": True,
                        "version": "9.12.2",
                        "compound": False,
                    }
                )
        return rows

    async def _recovery(self, call: Call) -> list[Object]:
        """Of what is open, the operations read from the log again; times and files were not counted."""
        return [
            {
                "index": one.index.name,
                "shard": 0,
                "stage": "done",
                "target_host": "127.0.0.1",
                "target_node": self._house.site.node_name,
                "translog_ops": one.index.shard.replayed,
                "translog_ops_recovered": one.index.shard.replayed,
                "translog_ops_percent": "100.0%",
            }
            for one in self._house.find(call)
            if one.index.shard is not None
        ]

    def _unknown(self, name: str) -> Rows:
        """For what this server keeps no figures of. Raises unsupported_operation_exception when asked."""

        async def refuse(call: Call) -> list[Object]:
            raise unsupported(f"[{name}]")

        return refuse

    async def _repositories(self, call: Call) -> list[Object]:
        return [{"id": name, "type": one["type"]} for name, one in self._house.snapshots.shelf.all().items()]

    async def _snapshots(self, call: Call) -> list[Object]:
        names = [one for one in call.part("index").split(",") if one] or list(self._house.snapshots.shelf.all())
        return [_snapshot(one) for name in names for one in await self._house.snapshots.all(name)]

    async def _tasks(self, call: Call) -> list[Object]:
        now_s = self._house.clock.monotonic_s()
        return [
            {
                "action": one.action,
                "task_id": f"{self._house.node_id}:{one.number}",
                "parent_task_id": "-",
                "type": "transport",
                "start_time": one.start_ms,
                "timestamp": iso(one.start_ms)[11:19],
                "running_time": duration_text(now_s - one.start_s),
                "ip": "127.0.0.1",
                "node": self._house.site.node_name,
            }
            for one in self._house.jobs.all()
        ]

    async def _none(self, call: Call) -> list[Object]:
        return []


_SIZES = (
    "store.size",
    "pri.store.size",
    "dataset.size",
    "store",
    "dataset",
    "size",
    "heap.current",
    "heap.max",
    "ram.current",
    "ram.max",
    "disk.total",
    "disk.used",
    "disk.avail",
    "disk.indices",
    "disk.indices.forecast",
    "memory.total",
)


def _sized(row: Object, call: Call) -> Object:
    unit = call.arg("bytes")
    factors = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40, "pb": 1 << 50}
    if unit and unit not in factors:
        raise illegal(f"Unknown value for bytes: [{unit}]")
    shown = dict(row)
    for name in _SIZES:
        if isinstance(row.get(name), int):
            shown[name] = row[name] // factors[unit] if unit else size_text(row[name])
    return shown


def _snapshot(one: Object) -> Object:
    shards, start, end = one["shards"], one["start_time_in_millis"], one.get("end_time_in_millis")
    return {
        "id": one["snapshot"],
        "repository": one["repository"],
        "status": one["state"],
        "start_epoch": start // 1000,
        "start_time": one["start_time"][11:19],
        "end_epoch": end // 1000 if end else None,
        "end_time": one["end_time"][11:19] if end else None,
        "duration": duration_text(one.get("duration_in_millis", 0) / 1000),
        "indices": len(one["indices"]),
        "successful_shards": shards["successful"],
        "failed_shards": shards["failed"],
        "total_shards": shards["total"],
        "reason": None,
    }
