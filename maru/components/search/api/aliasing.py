"""Aliases, and what names resolve to.

Source: Elasticsearch reference, "Aliases", "Resolve index API".
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.api.indexing import OPEN_AND_CLOSED, shown_aliases
from maru.components.search.controllers.index import Index
from maru.components.search.controllers.indices import Choice
from maru.components.search.controllers.templates import alias_spec
from maru.components.search.errors import failure, illegal
from maru.wire.elastic.json import Object


class AliasApi:
    """The edges of aliases."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/_alias", self.get_alias),
            Route("GET", "/_alias/{name}", self.get_alias),
            Route("GET", "/{index}/_alias", self.get_alias),
            Route("GET", "/{index}/_alias/{name}", self.get_alias),
            Route("PUT POST", "/{index}/_alias/{name}", self.put_alias),
            Route("PUT POST", "/{index}/_aliases/{name}", self.put_alias),
            Route("PUT", "/_alias/{name}", self.put_alias),
            Route("DELETE", "/{index}/_alias/{name}", self.delete_alias),
            Route("DELETE", "/{index}/_aliases/{name}", self.delete_alias),
            Route("POST", "/_aliases", self.aliases),
            Route("GET", "/_resolve/index/{name}", self.resolve),
        ]

    async def get_alias(self, call: Call) -> Reply:
        named = self._house.find(call, default=OPEN_AND_CLOSED)
        wanted = [one for one in call.part("name").split(",") if one]
        told: Object = {}
        seen: set[str] = set()
        for one in named:
            aliases = shown_aliases(one.index)
            if wanted and wanted != ["_all"]:
                kept: Object = {}
                for pattern in wanted:
                    if pattern.startswith("-"):
                        kept = {name: spec for name, spec in kept.items() if not fnmatchcase(name, pattern[1:])}
                    else:
                        kept |= {name: spec for name, spec in aliases.items() if fnmatchcase(name, pattern)}
                seen |= set(kept)
                aliases = kept
                if not aliases:
                    continue
            elif wanted and not aliases:
                continue
            told[one.index.name] = {"aliases": aliases}
        gone = [
            name
            for name in wanted
            if "*" not in name and name != "_all" and not name.startswith("-") and name not in seen
        ]
        if gone:
            shown = ",".join(sorted(gone))
            return Reply(
                {"error": f"alias{'es' if len(gone) > 1 else ''} [{shown}] missing", "status": 404, **told}, 404
            )
        return Reply(told)

    async def put_alias(self, call: Call) -> Reply:
        body = call.object()
        expression = call.part("index") or ",".join(body.get("indices", [])) or str(body.get("index", ""))
        name = call.part("name")
        spec = {
            key: value
            for key, value in body.items()
            if key in ("filter", "routing", "index_routing", "search_routing", "is_write_index", "is_hidden")
        }
        await self._act([("add", {"index": expression, "alias": name, **spec})])
        return Reply({"acknowledged": True})

    async def delete_alias(self, call: Call) -> Reply:
        await self._act([("remove", {"index": call.part("index"), "aliases": call.part("name").split(",")})])
        return Reply({"acknowledged": True})

    async def aliases(self, call: Call) -> Reply:
        body = call.needs_body()
        actions = []
        for one in body.get("actions") or []:
            kind, params = next(iter(one.items()))
            if kind not in ("add", "remove", "remove_index"):
                raise failure(400, "x_content_parse_exception", f"[1:1] [alias_action] unknown field [{kind}]")
            actions.append((kind, params))
        if not actions:
            raise failure(
                400,
                "action_request_validation_exception",
                "Validation Failed: 1: Must specify at least one alias action;",
            )
        await self._act(actions)
        return Reply({"acknowledged": True})

    async def _act(self, actions: Sequence[tuple[str, Object]]) -> None:
        """All of the actions, or none: what comes of them is worked out before anything is written."""
        house = self._house
        after: dict[str, Object] = {}
        doomed: list[Index] = []
        for kind, params in actions:
            expressions = params.get("indices", params.get("index"))
            if expressions is None:
                raise illegal("One of [index] or [indices] is required")
            expression = ",".join(expressions) if isinstance(expressions, list) else str(expressions)
            named = house.indices.find(
                expression,
                Choice(
                    allow_no_indices=False,
                    expand=frozenset({"open", "closed"}),
                    forbids_closed=False,
                    forbids_aliases=True,
                ),
            )
            if kind == "remove_index":
                doomed += [one.index for one in named]
                continue
            given = params.get("aliases", params.get("alias"))
            if given is None or given == "":
                raise illegal("One of [alias] or [aliases] is required")
            names = given if isinstance(given, list) else [given]
            removed = 0
            for one in named:
                aliases = after.setdefault(one.index.name, copy.deepcopy(one.index.aliases))
                for alias in names:
                    if kind == "add":
                        if house.indices.get(str(alias)) is not None and house.indices.get(str(alias)) not in doomed:
                            raise failure(
                                400,
                                "invalid_alias_name_exception",
                                (
                                    f"Invalid alias name [{alias}]: an index or data stream exists with the same "
                                    "name as the alias"
                                ),
                                index_uuid=one.index.uuid,
                                index=str(alias),
                            )
                        aliases[str(alias)] = alias_spec(str(alias), params)
                    else:
                        gone = [name for name in aliases if fnmatchcase(name, str(alias)) or alias == "_all"]
                        removed += len(gone)
                        for name in gone:
                            del aliases[name]
            if kind == "remove" and removed == 0 and params.get("must_exist", True) is not False:
                raise failure(
                    404,
                    "aliases_not_found_exception",
                    f"aliases [{','.join(str(one) for one in names)}] missing",
                    **{"resource.type": "aliases", "resource.id": ",".join(str(one) for one in names)},
                )
        _check_writers(house, after)
        for index in doomed:
            await house.indices.delete(index)
        for name, aliases in after.items():
            changed = house.indices.get(name)
            if changed is not None and changed.aliases != aliases:
                await house.indices.change(changed, aliases=aliases)

    async def resolve(self, call: Call) -> Reply:
        indices, aliases, streams = [], {}, []
        expression = call.part("name")
        for one in self._house.find(
            call, expression=expression, default=Choice(expand=frozenset({"open"}), forbids_closed=False)
        ):
            entry: Object = {"name": one.index.name, "attributes": ["open" if one.index.is_open else "closed"]}
            if one.index.aliases:
                entry["aliases"] = sorted(one.index.aliases)
            if one.index.spec.get("data_stream"):
                entry["data_stream"] = one.index.spec["data_stream"]
            if one.is_direct and not one.index.is_hidden:
                indices.append(entry)
        for alias, holders in self._house.indices.aliases().items():
            if any(fnmatchcase(alias, pattern) for pattern in expression.split(",")):
                aliases[alias] = sorted(one.name for one in holders)
        for name, spec in self._house.templates.streams.all().items():
            if any(fnmatchcase(name, pattern) for pattern in expression.split(",")):
                streams.append({"name": name, "backing_indices": spec["indices"], "timestamp_field": "@timestamp"})
        return Reply(
            {
                "indices": indices,
                "aliases": [{"name": name, "indices": aliases[name]} for name in sorted(aliases)],
                "data_streams": streams,
            }
        )


def _check_writers(house: House, after: dict[str, Object]) -> None:
    writers: dict[str, list[str]] = {}
    for index in house.indices.all():
        for alias, spec in after.get(index.name, index.aliases).items():
            if spec.get("is_write_index"):
                writers.setdefault(alias, []).append(index.name)
    for alias, names in writers.items():
        if len(names) > 1:
            raise failure(
                400, "illegal_state_exception", f"alias [{alias}] has more than one write index [{','.join(names)}]"
            )
