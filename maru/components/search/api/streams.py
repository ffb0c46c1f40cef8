"""Data streams, rollover and lifecycle policies.

Source: Elasticsearch reference, "Data streams", "Rollover API", "Index lifecycle management APIs".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.figures import figures_of, status_of_index
from maru.components.search.api.house import House
from maru.components.search.api.templating import named_in
from maru.components.search.controllers.lifecycle import is_met
from maru.components.search.controllers.templates import next_name
from maru.components.search.errors import failure, illegal, missing
from maru.components.search.model.definitions import POLICIES
from maru.wire.elastic.dates import iso
from maru.wire.elastic.json import Object


class StreamApi:
    """The edges of how indices grow and age."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("PUT", "/_data_stream/{name}", self.put_stream),
            Route("GET", "/_data_stream", self.get_stream),
            Route("GET", "/_data_stream/{name}", self.get_stream),
            Route("DELETE", "/_data_stream/{name}", self.delete_stream),
            Route("GET", "/_data_stream/_stats", self.stream_stats),
            Route("GET", "/_data_stream/{name}/_stats", self.stream_stats),
            Route("POST", "/{index}/_rollover", self.rollover),
            Route("POST", "/{index}/_rollover/{target}", self.rollover),
            Route("PUT", "/_ilm/policy/{name}", self.put_policy),
            Route("GET", "/_ilm/policy", self.get_policy),
            Route("GET", "/_ilm/policy/{name}", self.get_policy),
            Route("DELETE", "/_ilm/policy/{name}", self.delete_policy),
            Route("GET", "/{index}/_ilm/explain", self.explain_policy),
            Route("GET", "/_ilm/status", self.policy_status),
            Route("POST", "/_ilm/start", self.start_policies),
            Route("POST", "/_ilm/stop", self.stop_policies),
            Route("POST", "/_data_stream/_modify", self.modify_streams),
            Route("POST", "/{index}/_ilm/remove", self.remove_policy),
        ]

    async def put_stream(self, call: Call) -> Reply:
        await self._house.templates.create_stream(call.part("name"))
        return Reply({"acknowledged": True})

    async def get_stream(self, call: Call) -> Reply:
        found = named_in(self._house.templates.streams, call.part("name"))
        if not found and call.part("name") and "*" not in call.part("name"):
            raise failure(
                404,
                "index_not_found_exception",
                f"no such index [{call.part('name')}]",
                **{
                    "resource.type": "index_or_alias",
                    "resource.id": call.part("name"),
                    "index_uuid": "_na_",
                    "index": call.part("name"),
                },
            )
        told = []
        for name, spec in found.items():
            indices = [self._house.indices.get(one) for one in spec["indices"]]
            shown = [
                {
                    "index_name": one.name,
                    "index_uuid": one.uuid,
                    "prefer_ilm": True,
                    "managed_by": "Index Lifecycle Management" if "lifecycle.name" in one.settings else "Unmanaged",
                }
                for one in indices
                if one is not None
            ]
            status = max(
                (status_of_index(one) for one in indices if one is not None),
                key=["green", "yellow", "red"].index,
                default="green",
            )
            entry = {
                "name": name,
                "timestamp_field": {"name": "@timestamp"},
                "indices": shown,
                "generation": spec["generation"],
                "status": status.upper(),
                "template": spec["template"],
                "next_generation_managed_by": "Unmanaged",
                "prefer_ilm": True,
                "hidden": spec.get("hidden", False),
                "system": False,
                "allow_custom_routing": False,
                "replicated": False,
                "rollover_on_write": False,
            }
            policy = indices[-1].settings.get("lifecycle.name") if indices and indices[-1] is not None else None
            told.append({**entry, "ilm_policy": policy} if policy else entry)
        return Reply({"data_streams": told})

    async def delete_stream(self, call: Call) -> Reply:
        found = named_in(self._house.templates.streams, call.part("name"))
        if not found and "*" not in call.part("name"):
            raise failure(
                404,
                "index_not_found_exception",
                f"no such index [{call.part('name')}]",
                **{
                    "resource.type": "index_or_alias",
                    "resource.id": call.part("name"),
                    "index_uuid": "_na_",
                    "index": call.part("name"),
                },
            )
        for name, spec in found.items():
            await self._house.templates.streams.delete(name)
            for one in spec["indices"]:
                index = self._house.indices.get(one)
                if index is not None:
                    await self._house.indices.delete(index)
        return Reply({"acknowledged": True})

    async def stream_stats(self, call: Call) -> Reply:
        found = named_in(self._house.templates.streams, call.part("name"))
        told, count, size = [], 0, 0
        for name, spec in found.items():
            indices = [
                index for index in (self._house.indices.get(one) for one in spec["indices"]) if index is not None
            ]
            own = sum([(await figures_of(index))["bytes"] for index in indices])
            count, size = count + len(indices), size + own
            told.append(
                {"data_stream": name, "backing_indices": len(indices), "store_size_bytes": own, "maximum_timestamp": 0}
            )
        return Reply(
            {
                "_shards": {"total": count, "successful": count, "failed": 0},
                "data_stream_count": len(told),
                "backing_indices": count,
                "total_store_size_bytes": size,
                "data_streams": told,
            }
        )

    async def rollover(self, call: Call) -> Reply:
        alias, body = call.part("index"), call.object()
        stream = self._house.indices.stream(alias)
        if stream is None and alias not in self._house.indices.aliases():
            raise illegal(
                f"rollover target [{alias}] does not exist"
                if self._house.indices.get(alias) is None
                else "rollover target is a [concrete index] but one of [alias,data_stream] was expected"
            )
        old = self._house.indices.write_target(alias)
        assert old is not None
        conditions = body.get("conditions") or {}
        met = {
            f"[{name}: {value}]": await is_met(self._house.indices, old, name, value)
            for name, value in conditions.items()
        }
        is_due = not conditions or any(met.values())
        fresh = (
            self._house.templates.next_stream_name(alias)
            if stream is not None
            else (call.part("target") or next_name(old.name))
        )
        dry = call.flag("dry_run")
        if is_due and not dry:
            await self._house.lifecycle.roll(
                alias, fresh, {key: value for key, value in body.items() if key in ("settings", "mappings", "aliases")}
            )
        done = is_due and not dry
        return Reply(
            {
                "acknowledged": done,
                "shards_acknowledged": done,
                "old_index": old.name,
                "new_index": fresh,
                "rolled_over": done,
                "dry_run": dry,
                "conditions": met,
            }
        )

    async def put_policy(self, call: Call) -> Reply:
        body = call.needs_body()
        phases = (body.get("policy") or {}).get("phases")
        if not isinstance(phases, dict):
            raise failure(
                400, "x_content_parse_exception", "[1:1] [put_lifecycle_request] failed to parse field [policy]"
            )
        for phase, spec in phases.items():
            if phase not in ("hot", "warm", "cold", "frozen", "delete"):
                raise illegal(f"Timeseries lifecycle does not support phase [{phase}]")
            for action in (spec or {}).get("actions") or {}:
                if action not in ("rollover", "set_priority", "delete", "readonly", "unfollow", "freeze"):
                    raise illegal(f"the action [{action}] in phase [{phase}] is not supported by Maru")
        shelf = self._house.shelves.of(POLICIES)
        before = shelf.get(call.part("name"))
        await shelf.put(
            call.part("name"),
            {
                "policy": body["policy"],
                "version": int((before or {}).get("version", 0)) + 1,
                "modified_date": iso(self._house.indices.now()),
            },
        )
        return Reply({"acknowledged": True})

    async def get_policy(self, call: Call) -> Reply:
        found = named_in(self._house.shelves.of(POLICIES), call.part("name"))
        if not found and call.part("name") and "*" not in call.part("name"):
            raise missing(f"Lifecycle policy not found: {call.part('name')}")
        return Reply(
            {
                name: {
                    "version": spec["version"],
                    "modified_date": spec["modified_date"],
                    "policy": spec["policy"],
                    "in_use_by": self._users(name),
                }
                for name, spec in found.items()
            }
        )

    def _users(self, policy: str) -> Object:
        indices = [index.name for index in self._house.indices.all() if index.settings.get("lifecycle.name") == policy]
        return {
            "indices": indices,
            "data_streams": sorted(
                {
                    str(index.spec["data_stream"])
                    for index in self._house.indices.all()
                    if index.name in indices and index.spec.get("data_stream")
                }
            ),
            "composable_templates": [
                name
                for name in self._house.templates.composable.all()
                if self._house.templates.resolved(self._house.templates.composable.all()[name])["settings"].get(
                    "lifecycle.name"
                )
                == policy
            ],
        }

    async def delete_policy(self, call: Call) -> Reply:
        name = call.part("name")
        users = self._users(name)["indices"]
        if users:
            raise illegal(f"Cannot delete policy [{name}]. It is in use by one or more indices: [{', '.join(users)}]")
        if not await self._house.shelves.of(POLICIES).delete(name):
            raise missing(f"Lifecycle policy not found: {name}")
        return Reply({"acknowledged": True})

    async def explain_policy(self, call: Call) -> Reply:
        told: Object = {}
        for one in self._house.find(call):
            policy = one.index.settings.get("lifecycle.name")
            entry: Object = {"index": one.index.name, "managed": policy is not None}
            if policy is not None:
                age_ms = self._house.lifecycle.age_s(one.index) * 1000
                entry |= {
                    "policy": policy,
                    "index_creation_date_millis": one.index.spec["creation_date"],
                    "time_since_index_creation": f"{age_ms / 1000:.2f}s",
                    "lifecycle_date_millis": one.index.spec["creation_date"],
                    "age": f"{age_ms / 1000:.2f}s",
                    "phase": "hot",
                    "action": "rollover",
                    "step": "check-rollover-ready",
                }
            told[one.index.name] = entry
        return Reply({"indices": told})

    async def policy_status(self, call: Call) -> Reply:
        return Reply({"operation_mode": "RUNNING" if self._house.lifecycle.is_running else "STOPPED"})

    async def start_policies(self, call: Call) -> Reply:
        await self._house.lifecycle.switch(runs=True)
        return Reply({"acknowledged": True})

    async def stop_policies(self, call: Call) -> Reply:
        await self._house.lifecycle.switch(runs=False)
        return Reply({"acknowledged": True})

    async def modify_streams(self, call: Call) -> Reply:
        """Indices that come to a stream, or leave it. All changes are checked before the first is made."""
        streams = self._house.templates.streams
        changed: dict[str, list[str]] = {}
        for action in call.needs_body().get("actions") or []:
            kind, given = next(iter(action.items()))
            if kind not in ("add_backing_index", "remove_backing_index"):
                raise failure(400, "x_content_parse_exception", f"[1:2] [data_stream_action] unknown field [{kind}]")
            name, index = str(given.get("data_stream")), self._house.indices.one(str(given.get("index")))
            stream = streams.get(name)
            if stream is None:
                raise illegal(f"data stream [{name}] not found")
            names = changed.setdefault(name, list(stream["indices"]))
            if kind == "add_backing_index" and index.name not in names:
                if any(index.name in one["indices"] for one in streams.all().values()):
                    raise illegal(f"cannot add index [{index.name}] to data stream [{name}]: another stream holds it")
                names.insert(0, index.name)
            elif kind == "remove_backing_index":
                if index.name not in names:
                    raise illegal(f"index [{index.name}] is not part of data stream [{name}]")
                if index.name == names[-1]:
                    raise illegal(
                        f"cannot remove backing index [{index.name}] of data stream [{name}] because it is the write "
                        "index of the data stream"
                    )
                names.remove(index.name)
        for name, names in changed.items():
            await self._restream(name, names)
        return Reply({"acknowledged": True})

    async def _restream(self, name: str, names: list[str]) -> None:
        streams, indices = self._house.templates.streams, self._house.indices
        stream = streams.get(name)
        assert stream is not None
        for one in [*names, *stream["indices"]]:
            index = indices.get(one)
            is_member = one in names
            if index is not None and is_member != (index.spec.get("data_stream") == name):
                await indices.change(index, data_stream=name if is_member else None)
        await streams.put(name, {**stream, "indices": names})

    async def remove_policy(self, call: Call) -> Reply:
        for one in self._house.find(call):
            await self._house.indices.change_settings(one.index, {"lifecycle.name": None})
        return Reply({"has_failures": False, "failed_indexes": []})
