"""Templates, data streams, rollover, lifecycle policies, ingest pipelines, stored scripts.

Source: Elasticsearch reference, "Index templates", "Data streams", "Index lifecycle management APIs", "Ingest APIs".
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.cluster import figures_of, status_of_index
from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.controllers.shelves import Shelf
from maru.components.search.controllers.templates import next_name
from maru.components.search.errors import failure, illegal, missing
from maru.components.search.model.definitions import PIPELINES, POLICIES, SCRIPTS
from maru.components.search.model.ingest.pipelines import Dropped, compiled
from maru.components.search.model.ingest.processors import ProcessorFault
from maru.components.search.model.mapping.mapping import checked_definition
from maru.components.search.model.settings import index_settings, nested
from maru.core.errors import MaruError
from maru.wire.elastic.dates import iso
from maru.wire.elastic.json import Json, Object
from maru.wire.elastic.units import duration_s, size_bytes

_TEMPLATE_KEYS = (
    "index_patterns",
    "template",
    "composed_of",
    "priority",
    "version",
    "_meta",
    "data_stream",
    "allow_auto_create",
    "ignore_missing_component_templates",
    "deprecated",
)


class TemplateApi:
    """The edges of what indices are made from and how they age."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("PUT POST", "/_index_template/{name}", self.put_template),
            Route("GET", "/_index_template", self.get_template),
            Route("GET", "/_index_template/{name}", self.get_template),
            Route("HEAD", "/_index_template/{name}", self.has_template),
            Route("DELETE", "/_index_template/{name}", self.delete_template),
            Route("POST", "/_index_template/_simulate_index/{name}", self.simulate_index),
            Route("POST", "/_index_template/_simulate", self.simulate_template),
            Route("POST", "/_index_template/_simulate/{name}", self.simulate_template),
            Route("PUT POST", "/_component_template/{name}", self.put_component),
            Route("GET", "/_component_template", self.get_component),
            Route("GET", "/_component_template/{name}", self.get_component),
            Route("HEAD", "/_component_template/{name}", self.has_component),
            Route("DELETE", "/_component_template/{name}", self.delete_component),
            Route("PUT POST", "/_template/{name}", self.put_legacy),
            Route("GET", "/_template", self.get_legacy),
            Route("GET", "/_template/{name}", self.get_legacy),
            Route("HEAD", "/_template/{name}", self.has_legacy),
            Route("DELETE", "/_template/{name}", self.delete_legacy),
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
            Route("POST", "/{index}/_ilm/remove", self.remove_policy),
            Route("PUT", "/_ingest/pipeline/{name}", self.put_pipeline),
            Route("GET", "/_ingest/pipeline", self.get_pipeline),
            Route("GET", "/_ingest/pipeline/{name}", self.get_pipeline),
            Route("DELETE", "/_ingest/pipeline/{name}", self.delete_pipeline),
            Route("GET POST", "/_ingest/pipeline/_simulate", self.simulate),
            Route("GET POST", "/_ingest/pipeline/{name}/_simulate", self.simulate),
            Route("GET", "/_ingest/processor/grok", self.grok),
            Route("PUT POST", "/_scripts/{name}", self.put_script),
            Route("GET", "/_scripts/{name}", self.get_script),
            Route("DELETE", "/_scripts/{name}", self.delete_script),
        ]

    # Composable templates.

    async def put_template(self, call: Call) -> Reply:
        body, name = call.needs_body(), call.part("name")
        for key in body:
            if key not in _TEMPLATE_KEYS:
                raise failure(400, "x_content_parse_exception", f"[1:2] [index_template] unknown field [{key}]")
        if "index_patterns" not in body:
            raise failure(400, "x_content_parse_exception", "Required [index_patterns]")
        self._check_template(body.get("template") or {})
        shelf = self._house.templates.composable
        if call.flag("create") and shelf.get(name) is not None:
            raise illegal(f"index template [{name}] already exists")
        unknown = [
            one
            for one in body.get("composed_of") or []
            if self._house.templates.components.get(one) is None
            and one not in (body.get("ignore_missing_component_templates") or [])
        ]
        if unknown:
            raise failure(
                400,
                "invalid_index_template_exception",
                f"index_template [{name}] invalid, cause [index template [{name}] specifies component templates [{', '.join(unknown)}] that do not exist]",
            )
        patterns = body["index_patterns"] if isinstance(body["index_patterns"], list) else [body["index_patterns"]]
        priority = int(body.get("priority", 0) or 0)
        for other, spec in shelf.all().items():
            if (
                other != name
                and int(spec.get("priority", 0) or 0) == priority
                and _overlap(patterns, spec["index_patterns"])
            ):
                raise illegal(
                    f"index template [{name}] has index patterns [{', '.join(patterns)}] matching patterns from existing templates [{other}] with patterns "
                    f"({other} => [{', '.join(spec['index_patterns'])}]) that have the same priority [{priority}], multiple index templates may not match during index creation, please use a different priority"
                )
        await shelf.put(name, {**body, "index_patterns": patterns})
        return Reply({"acknowledged": True})

    async def get_template(self, call: Call) -> Reply:
        found = _named(self._house.templates.composable, call.part("name"))
        if not found and call.part("name") and "*" not in call.part("name"):
            raise missing(f"index template matching [{call.part('name')}] not found")
        return Reply(
            {
                "index_templates": [
                    {"name": name, "index_template": _template(call, spec)} for name, spec in found.items()
                ]
            }
        )

    async def has_template(self, call: Call) -> Reply:
        return Reply(None, 200 if _named(self._house.templates.composable, call.part("name")) else 404)

    async def delete_template(self, call: Call) -> Reply:
        shelf = self._house.templates.composable
        for name in _existing(shelf, call.part("name"), "index_template"):
            streams = [
                stream for stream, spec in self._house.templates.streams.all().items() if spec.get("template") == name
            ]
            if streams:
                raise illegal(
                    f"unable to remove composable templates [{name}] as they are in use by a data streams [{', '.join(streams)}]"
                )
            await shelf.delete(name)
        return Reply({"acknowledged": True})

    async def simulate_index(self, call: Call) -> Reply:
        name = call.part("name")
        parts = self._house.templates.parts_for(name)
        chosen = self._house.templates.fitting(name)
        others = [
            {"name": key, "index_patterns": spec["index_patterns"]}
            for key, spec in self._house.templates.composable.all().items()
            if chosen is not None and key != chosen[0] and any(fnmatchcase(name, one) for one in spec["index_patterns"])
        ]
        return Reply({"template": _parts(parts), "overlapping": others})

    async def simulate_template(self, call: Call) -> Reply:
        spec = call.object() or self._house.templates.composable.get(call.part("name"))
        if not spec:
            raise illegal(f"unable to simulate template [{call.part('name')}] that does not exist")
        others = [
            {"name": key, "index_patterns": one["index_patterns"]}
            for key, one in self._house.templates.composable.all().items()
            if key != call.part("name") and _overlap(spec.get("index_patterns", []), one["index_patterns"])
        ]
        return Reply({"template": _parts(self._house.templates.resolved(spec)), "overlapping": others})

    async def put_component(self, call: Call) -> Reply:
        body, name = call.needs_body(), call.part("name")
        if "template" not in body:
            raise failure(400, "x_content_parse_exception", "Required [template]")
        self._check_template(body["template"])
        if call.flag("create") and self._house.templates.components.get(name) is not None:
            raise illegal(f"component template [{name}] already exists")
        await self._house.templates.components.put(name, body)
        return Reply({"acknowledged": True})

    async def get_component(self, call: Call) -> Reply:
        found = _named(self._house.templates.components, call.part("name"))
        if not found and call.part("name") and "*" not in call.part("name"):
            raise missing(f"component template matching [{call.part('name')}] not found")
        return Reply(
            {
                "component_templates": [
                    {"name": name, "component_template": _template(call, spec)} for name, spec in found.items()
                ]
            }
        )

    async def has_component(self, call: Call) -> Reply:
        return Reply(None, 200 if _named(self._house.templates.components, call.part("name")) else 404)

    async def delete_component(self, call: Call) -> Reply:
        shelf = self._house.templates.components
        for name in _existing(shelf, call.part("name"), "component template"):
            users = [
                key
                for key, spec in self._house.templates.composable.all().items()
                if name in (spec.get("composed_of") or [])
            ]
            if users:
                raise illegal(
                    f"component templates [{name}] cannot be removed as they are still in use by index templates [{', '.join(users)}]"
                )
            await shelf.delete(name)
        return Reply({"acknowledged": True})

    async def put_legacy(self, call: Call) -> Reply:
        body, name = call.needs_body(), call.part("name")
        if "index_patterns" not in body:
            raise failure(
                400, "action_request_validation_exception", "Validation Failed: 1: index patterns are missing;"
            )
        for key in body:
            if key not in ("index_patterns", "settings", "mappings", "aliases", "order", "version"):
                raise failure(400, "parse_exception", f"unknown key [{key}] in the template ")
        self._check_template(body)
        if call.flag("create") and self._house.templates.legacy.get(name) is not None:
            raise illegal(f"index_template [{name}] already exists")
        patterns = body["index_patterns"] if isinstance(body["index_patterns"], list) else [body["index_patterns"]]
        order = call.number("order", int(body.get("order", 0)))
        await self._house.templates.legacy.put(name, {**body, "index_patterns": patterns, "order": order})
        return Reply({"acknowledged": True})

    async def get_legacy(self, call: Call) -> Reply:
        found = _named(self._house.templates.legacy, call.part("name"))
        told = {name: _legacy(call, spec) for name, spec in found.items()}
        return Reply(told, 404 if not told and call.part("name") and "*" not in call.part("name") else 200)

    async def has_legacy(self, call: Call) -> Reply:
        return Reply(None, 200 if _named(self._house.templates.legacy, call.part("name")) else 404)

    async def delete_legacy(self, call: Call) -> Reply:
        for name in _existing(self._house.templates.legacy, call.part("name"), "index_template"):
            await self._house.templates.legacy.delete(name)
        return Reply({"acknowledged": True})

    def _check_template(self, template: Object) -> None:
        index_settings(template.get("settings") or {})
        checked_definition(template.get("mappings") or {})

    # Data streams and rollover.

    async def put_stream(self, call: Call) -> Reply:
        await self._house.templates.create_stream(call.part("name"))
        return Reply({"acknowledged": True})

    async def get_stream(self, call: Call) -> Reply:
        found = _named(self._house.templates.streams, call.part("name"))
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
        found = _named(self._house.templates.streams, call.part("name"))
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
        found = _named(self._house.templates.streams, call.part("name"))
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
        met = {f"[{name}: {value}]": await self._is_met(old.name, name, value) for name, value in conditions.items()}
        is_due = not conditions or any(met.values())
        fresh = (
            self._house.templates.next_stream_name(alias)
            if stream is not None
            else (call.part("target") or next_name(old.name))
        )
        dry = call.flag("dry_run")
        if is_due and not dry:
            await self.roll(
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

    async def roll(self, alias: str, fresh: str, body: Object) -> None:
        """Make the next index of an alias or data stream, and write there from now on."""
        house = self._house
        if house.indices.stream(alias) is not None:
            await house.templates.roll_stream(alias)
            return
        old = house.indices.write_target(alias)
        assert old is not None
        spec = old.aliases[alias]
        keeps = "is_write_index" in spec
        aliases = {**(body.get("aliases") or {}), alias: {**spec, **({"is_write_index": True} if keeps else {})}}
        if keeps:
            await house.indices.change(old, aliases={**old.aliases, alias: {**spec, "is_write_index": False}})
        await house.templates.create(fresh, {**body, "aliases": aliases})
        if not keeps:
            await house.indices.change(old, aliases={name: one for name, one in old.aliases.items() if name != alias})

    async def _is_met(self, name: str, condition: str, value: Json) -> bool:
        index = self._house.indices.get(name)
        assert index is not None
        try:
            if condition in ("max_age", "min_age"):
                return self._house.indices.now() - int(index.spec["creation_date"]) >= duration_s(value) * 1000
            if condition in ("max_docs", "min_docs", "max_primary_shard_docs", "min_primary_shard_docs"):
                return int((await figures_of(index))["docs"]) >= int(value)
            if condition in ("max_size", "max_primary_shard_size", "min_size", "min_primary_shard_size"):
                return int((await figures_of(index))["bytes"]) >= size_bytes(value)
        except ValueError as error:
            raise illegal(str(error)) from error
        raise failure(400, "x_content_parse_exception", f"[1:1] [conditions] unknown field [{condition}]")

    # Lifecycle policies.

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
                if action not in ("rollover", "set_priority", "delete", "readonly", "forcemerge", "unfollow"):
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
        found = _named(self._house.shelves.of(POLICIES), call.part("name"))
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
                age_ms = self._house.indices.now() - int(one.index.spec["creation_date"])
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
        return Reply({"operation_mode": "RUNNING"})

    async def remove_policy(self, call: Call) -> Reply:
        for one in self._house.find(call):
            await self._house.indices.change_settings(one.index, {"lifecycle.name": None})
        return Reply({"has_failures": False, "failed_indexes": []})

    # Ingest pipelines.

    async def put_pipeline(self, call: Call) -> Reply:
        body = call.needs_body()
        compiled(body)
        if body.get("on_failure"):
            compiled({"processors": body["on_failure"]})
        await self._house.shelves.of(PIPELINES).put(call.part("name"), body)
        return Reply({"acknowledged": True})

    async def get_pipeline(self, call: Call) -> Reply:
        found = _named(self._house.shelves.of(PIPELINES), call.part("name"))
        told = {
            name: ({key: value for key, value in spec.items() if key != "name"} if not call.flag("summary") else {})
            for name, spec in found.items()
        }
        return Reply(told, 404 if not told and call.part("name") and "*" not in call.part("name") else 200)

    async def delete_pipeline(self, call: Call) -> Reply:
        shelf = self._house.shelves.of(PIPELINES)
        found = _named(shelf, call.part("name"))
        if not found and call.part("name") != "*":
            raise missing(f"pipeline [{call.part('name')}] is missing")
        for name in found:
            await shelf.delete(name)
        return Reply({"acknowledged": True})

    async def simulate(self, call: Call) -> Reply:
        body = call.needs_body()
        name = call.part("name")
        definition = self._house.shelves.of(PIPELINES).get(name) if name else body.get("pipeline")
        if definition is None:
            raise (
                illegal(f"pipeline [{name}] does not exist")
                if name
                else failure(
                    400, "parse_exception", "[pipeline] required property is missing", property_name="pipeline"
                )
            )
        if not body.get("docs"):
            raise (
                failure(400, "parse_exception", "[docs] required property is missing", property_name="docs")
                if "docs" not in body
                else illegal("must specify at least one document in [docs]")
            )
        told = []
        for one in body["docs"]:
            if "_source" not in one:
                raise failure(400, "parse_exception", "[_source] required property is missing", property_name="_source")
            source = dict(one["_source"])
            meta: Object = {
                "_index": one.get("_index", "_index"),
                "_id": one.get("_id", "_id"),
                "_routing": one.get("routing", one.get("_routing")),
                "_version": "-3",
            }
            told.append(self._simulated(definition, source, meta, is_verbose=call.flag("verbose")))
        return Reply({"docs": told})

    def _simulated(self, definition: Object, source: Object, meta: Object, *, is_verbose: bool) -> Object:
        pipelines = self._house.pipelines
        stamp = {"timestamp": iso(self._house.indices.now())}
        try:
            results = pipelines.simulate(definition, source, meta)
        except Dropped:
            return (
                {"processor_results": [{"processor_type": "drop", "status": "dropped"}]}
                if is_verbose
                else {"doc": None}
            )
        except (MaruError, ProcessorFault) as error:
            kind = (
                error.details.get("kind", "illegal_argument_exception") if isinstance(error, MaruError) else error.kind
            )
            reason = error.what if isinstance(error, MaruError) else str(error)
            return {"error": {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason}}
        if is_verbose:
            return {
                "processor_results": [
                    {
                        **one,
                        "doc": {
                            "_index": meta["_index"],
                            "_id": meta["_id"],
                            "_version": "-3",
                            "_source": one.pop("document", {}),
                            "_ingest": stamp,
                        },
                    }
                    for one in results
                ]
            }
        told = {"_index": meta["_index"], "_id": meta["_id"], "_version": "-3", "_source": source, "_ingest": stamp}
        return {"doc": {**told, **({"_routing": meta["_routing"]} if meta.get("_routing") else {})}}

    async def grok(self, call: Call) -> Reply:
        from maru.components.search.model.ingest.grok import PATTERNS

        return Reply({"patterns": dict(sorted(PATTERNS.items())) if call.flag("s") else PATTERNS})

    # Stored scripts are search templates only: Painless is kept, and refused when it is to run.

    async def put_script(self, call: Call) -> Reply:
        body = call.needs_body()
        if "script" not in body:
            raise illegal("must specify <script> for stored script")
        lang = (body["script"] or {}).get("lang")
        if not lang:
            raise illegal("must specify lang for stored script")
        await self._house.shelves.of(SCRIPTS).put(call.part("name"), {"script": body["script"]})
        return Reply({"acknowledged": True})

    async def get_script(self, call: Call) -> Reply:
        found = self._house.shelves.of(SCRIPTS).get(call.part("name"))
        if found is None:
            return Reply({"_id": call.part("name"), "found": False}, 404)
        return Reply({"_id": call.part("name"), "found": True, "script": found["script"]})

    async def delete_script(self, call: Call) -> Reply:
        if not await self._house.shelves.of(SCRIPTS).delete(call.part("name")):
            raise missing(f"stored script [{call.part('name')}] does not exist and cannot be deleted")
        return Reply({"acknowledged": True})


def _named(shelf: Shelf, expression: str) -> dict[str, Object]:
    every = shelf.all()
    if not expression or expression in ("*", "_all"):
        return every
    patterns = expression.split(",")
    return {name: spec for name, spec in every.items() if any(fnmatchcase(name, pattern) for pattern in patterns)}


def _existing(shelf: Shelf, expression: str, what: str) -> list[str]:
    found = _named(shelf, expression)
    if not found and "*" not in expression:
        kind = "index_template_missing_exception" if what == "index_template" else "resource_not_found_exception"
        raise failure(404, kind, f"{what} [{expression}] missing")
    return list(found)


def _overlap(patterns: Json, others: Json) -> bool:
    def meet(one: str, other: str) -> bool:
        return fnmatchcase(one.replace("*", ""), other) or fnmatchcase(other.replace("*", ""), one) or one == other

    return any(meet(one, other) for one in (patterns if isinstance(patterns, list) else [patterns]) for other in others)


def _template(call: Call, spec: Object) -> Object:
    told = {key: value for key, value in spec.items() if key != "name"}
    if "index_patterns" in told:
        told.setdefault("composed_of", [])
    if isinstance(told.get("template"), dict) and "settings" in told["template"]:
        settings = {f"index.{key}": value for key, value in index_settings(told["template"]["settings"]).items()}
        told["template"] = {
            **told["template"],
            "settings": settings if call.flag("flat_settings") else nested(settings),
        }
    if "data_stream" in told:
        told["data_stream"] = {"hidden": False, "allow_custom_routing": False, **(told["data_stream"] or {})}
    return told


def _legacy(call: Call, spec: Object) -> Object:
    settings = {f"index.{key}": value for key, value in index_settings(spec.get("settings") or {}).items()}
    told = {
        "order": spec.get("order", 0),
        "index_patterns": spec["index_patterns"],
        "settings": settings if call.flag("flat_settings") else nested(settings),
        "mappings": spec.get("mappings") or {},
        "aliases": spec.get("aliases") or {},
    }
    return {**told, "version": spec["version"]} if "version" in spec else told


def _parts(parts: Object) -> Object:
    return {
        "settings": nested({f"index.{key}": value for key, value in parts["settings"].items()}),
        "mappings": parts["mappings"],
        "aliases": parts["aliases"],
    }
