"""Templates: what a new index is made from, data streams, and rollover.

Composable templates by priority over their components; legacy ones by order, where no composable fits. Source:
Elasticsearch reference, "Index templates", "Data streams", "Rollover API".
"""

from __future__ import annotations

import copy
import re
from fnmatch import fnmatchcase

from maru.components.search.controllers.index import Index
from maru.components.search.controllers.indices import Indices
from maru.components.search.controllers.shelves import Shelf
from maru.components.search.errors import failure, illegal
from maru.components.search.model.mapping.mapping import checked_definition
from maru.components.search.model.names import check_name
from maru.components.search.model.settings import index_settings
from maru.wire.elastic.dates import to_moment
from maru.wire.elastic.json import Json, Object


class Templates:
    """shelves: composable, components, legacy, data streams."""

    def __init__(self, indices: Indices, shelves: tuple[Shelf, Shelf, Shelf, Shelf]) -> None:
        self.indices = indices
        self.composable, self.components, self.legacy, self.streams = shelves
        self.may_create = True  # action.auto_create_index

    def fitting(self, name: str) -> tuple[str, Object] | None:
        """The composable template for a name: of all that fit, the one of the highest priority."""
        found = [
            (int(spec.get("priority", 0) or 0), key, spec)
            for key, spec in self.composable.all().items()
            if any(fnmatchcase(name, pattern) for pattern in _list(spec.get("index_patterns")))
        ]
        if not found:
            return _built_in(name)
        _, key, spec = max(found, key=lambda one: (one[0], one[1]))
        return key, spec

    def parts_for(self, name: str) -> Object:
        """settings (flat), mappings and aliases that a new index of this name begins with."""
        chosen = self.fitting(name)
        return self.resolved(chosen[1]) if chosen is not None else self._legacy_parts(name)

    def resolved(self, spec: Object) -> Object:
        """A composable template with its components."""
        merged: Object = {"settings": {}, "mappings": {}, "aliases": {}}
        for component in spec.get("composed_of") or []:
            kept = self.components.get(component)
            if kept is not None:
                self._merge(merged, kept.get("template") or {})
        self._merge(merged, spec.get("template") or {})
        return merged

    def settings_for(self, name: str) -> Object:
        """The settings a new index of this name would have."""
        found: Object = self.parts_for(name)["settings"]
        return found

    async def create(self, name: str, body: Object) -> Index:
        """A new index of the templates and the body. Raises as Indices.create, and for unknown parts."""
        for key in body:
            if key not in ("settings", "mappings", "aliases"):
                raise failure(400, "parse_exception", f"unknown key [{key}] for create index")
        parts = self.parts_for(name)
        given = {
            "settings": body.get("settings") or {},
            "mappings": body.get("mappings") or {},
            "aliases": body.get("aliases") or {},
        }
        self._merge(parts, given)
        return await self.indices.create(
            name, {**parts, "aliases": {alias: _alias(alias, spec or {}) for alias, spec in parts["aliases"].items()}}
        )

    async def create_on_write(self, name: str) -> Index:
        """The index or data stream that a write is the first of. Raises as create."""
        chosen = self.fitting(name)
        if chosen is not None and "data_stream" in chosen[1]:
            await self.create_stream(name)
            return self.indices.one(name)
        if not self.may_create or (chosen is not None and chosen[1].get("allow_auto_create") is False):
            from maru.components.search.errors import no_such_index

            raise no_such_index(name)
        already = self.indices.get(name)
        return already if already is not None else await self.create(name, {})

    async def create_stream(self, name: str) -> None:
        """Raises illegal_argument where no template allows it, resource_already_exists_exception."""
        check_name(name)
        if self.streams.get(name) is not None:
            raise failure(400, "resource_already_exists_exception", f"data_stream [{name}] already exists")
        chosen = self.fitting(name)
        if chosen is None or "data_stream" not in chosen[1]:
            reason = (
                f"no matching index template found for data stream [{name}]"
                if chosen is None
                else f"matching index template [{chosen[0]}] for data stream [{name}] has no data stream definition"
            )
            raise illegal(reason)
        first = await self._backing(name, 1)
        await self.streams.put(
            name,
            {
                "template": chosen[0],
                "generation": 1,
                "indices": [first.name],
                "hidden": bool((chosen[1]["data_stream"] or {}).get("hidden", False)),
            },
        )

    async def roll_stream(self, name: str) -> tuple[str, str]:
        """(old, new) backing index."""
        spec = copy.deepcopy(self.streams.get(name) or {})
        old = spec["indices"][-1]
        fresh = await self._backing(name, int(spec["generation"]) + 1)
        await self.streams.put(
            name, {**spec, "generation": int(spec["generation"]) + 1, "indices": [*spec["indices"], fresh.name]}
        )
        return old, fresh.name

    def next_stream_name(self, name: str) -> str:
        """The backing index that a rollover would make."""
        spec = self.streams.get(name) or {}
        return self._backing_name(name, int(spec.get("generation", 0)) + 1)

    async def _backing(self, stream: str, generation: int) -> Index:
        parts = self.parts_for(stream)
        mappings = copy.deepcopy(parts["mappings"])
        mappings.setdefault("properties", {}).setdefault("@timestamp", {"type": "date"})
        mappings["_data_stream_timestamp"] = {"enabled": True}
        settings = {**parts["settings"], "hidden": "true"}
        return await self.indices.create(
            self._backing_name(stream, generation),
            {"settings": settings, "mappings": mappings, "aliases": {}, "data_stream": stream},
        )

    def _backing_name(self, stream: str, generation: int) -> str:
        day = to_moment(self.indices.now()).strftime("%Y.%m.%d")
        return f".ds-{stream}-{day}-{generation:06d}"

    def _legacy_parts(self, name: str) -> Object:
        merged: Object = {"settings": {}, "mappings": {}, "aliases": {}}
        fitting = [
            spec
            for spec in self.legacy.all().values()
            if any(fnmatchcase(name, pattern) for pattern in _list(spec.get("index_patterns")))
        ]
        for spec in sorted(fitting, key=lambda one: int(one.get("order", 0))):
            self._merge(merged, spec)
        return merged

    def _merge(self, parts: Object, more: Object) -> None:
        parts["settings"] = {**parts["settings"], **index_settings(more.get("settings") or {})}
        parts["mappings"] = merged_mappings(parts["mappings"], checked_definition(more.get("mappings") or {}))
        parts["aliases"] = {**parts["aliases"], **(more.get("aliases") or {})}


def _built_in(name: str) -> tuple[str, Object] | None:
    """What every cluster has: streams named TYPE-DATASET-NAMESPACE need no template of the user's."""
    found = re.fullmatch(r"(logs|metrics|traces|synthetics)-[^-]+(?:-[^-]+)+", name)
    if found is None:
        return None
    texts: Object = {"message": {"type": "match_only_text"}}
    if found[1] == "logs":
        # The labels of containers are names of their owners' own; a field for each would fill any mapping.
        labels = {"properties": {"labels": {"type": "flattened"}}}
        texts |= {"kubernetes": labels, "container": labels}
    strings = {"strings": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 1024}}}
    mappings = {"properties": texts, "dynamic_templates": [strings], "date_detection": False}
    return found[1], {
        "index_patterns": [f"{found[1]}-*-*"],
        "priority": 100,
        "data_stream": {},
        "template": {"mappings": mappings, "settings": {"index.number_of_replicas": "0"}},
    }


def merged_mappings(before: Object, after: Object) -> Object:
    """Templates over templates: properties are joined, later definitions win."""
    result = copy.deepcopy(before)
    for name, value in after.items():
        if name == "properties":
            have = result.setdefault("properties", {})
            for path, one in value.items():
                if path in have and "properties" in have[path] and "properties" in one:
                    have[path] = merged_mappings(have[path], one)
                else:
                    have[path] = copy.deepcopy(one)
        elif name == "dynamic_templates" and name in result:
            names = {key for one in value for key in one}
            result[name] = [one for one in result[name] if not names & set(one)] + value
        else:
            result[name] = value
    return result


def next_name(name: str) -> str:
    """logs-000001 to logs-000002. Raises illegal_argument where there is no number."""
    found = re.fullmatch(r"(.*)-(\d+)", name)
    if found is None:
        raise illegal(f"index name [{name}] does not match pattern '^.*-\\d+$'")
    return f"{found[1]}-{int(found[2]) + 1:06d}"


def _alias(name: str, spec: Object) -> Object:
    check_name(name, "alias")
    kept = {key: value for key, value in spec.items() if key in ("filter", "is_write_index", "is_hidden")}
    if "routing" in spec:
        kept |= {"index_routing": str(spec["routing"]), "search_routing": str(spec["routing"])}
    for key in ("index_routing", "search_routing"):
        if key in spec:
            kept[key] = str(spec[key])
    return kept


def alias_spec(name: str, spec: Object) -> Object:
    """An alias as it is kept. Raises invalid_alias_name_exception."""
    return _alias(name, spec)


def _list(given: Json) -> list[str]:
    return given if isinstance(given, list) else [] if given is None else [str(given)]
