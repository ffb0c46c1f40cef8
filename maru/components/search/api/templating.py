"""Templates, data streams, rollover, lifecycle policies, ingest pipelines, stored scripts.

Source: Elasticsearch reference, "Index templates", "Data streams", "Index lifecycle management APIs", "Ingest APIs".
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.controllers.shelves import Shelf
from maru.components.search.errors import failure, illegal, missing
from maru.components.search.model.mapping.mapping import checked_definition
from maru.components.search.model.settings import index_settings, nested
from maru.wire.elastic.json import Json, Object

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
                (
                    f"index_template [{name}] invalid, cause [index template [{name}] specifies component "
                    f"templates [{', '.join(unknown)}] that do not exist]"
                ),
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
                    f"index template [{name}] has index patterns [{', '.join(patterns)}] matching patterns "
                    f"from existing templates [{other}] with patterns "
                    f"({other} => [{', '.join(spec['index_patterns'])}]) that have the same priority "
                    f"[{priority}], multiple index templates may not match during index creation, please use "
                    "a different priority"
                )
        await shelf.put(name, {**body, "index_patterns": patterns})
        return Reply({"acknowledged": True})

    async def get_template(self, call: Call) -> Reply:
        found = named_in(self._house.templates.composable, call.part("name"))
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
        return Reply(None, 200 if named_in(self._house.templates.composable, call.part("name")) else 404)

    async def delete_template(self, call: Call) -> Reply:
        shelf = self._house.templates.composable
        for name in _existing(shelf, call.part("name"), "index_template"):
            streams = [
                stream for stream, spec in self._house.templates.streams.all().items() if spec.get("template") == name
            ]
            if streams:
                raise illegal(
                    f"unable to remove composable templates [{name}] as they are in use by a data streams "
                    f"[{', '.join(streams)}]"
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
        found = named_in(self._house.templates.components, call.part("name"))
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
        return Reply(None, 200 if named_in(self._house.templates.components, call.part("name")) else 404)

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
                    f"component templates [{name}] cannot be removed as they are still in use by index "
                    f"templates [{', '.join(users)}]"
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
        found = named_in(self._house.templates.legacy, call.part("name"))
        told = {name: _legacy(call, spec) for name, spec in found.items()}
        return Reply(told, 404 if not told and call.part("name") and "*" not in call.part("name") else 200)

    async def has_legacy(self, call: Call) -> Reply:
        return Reply(None, 200 if named_in(self._house.templates.legacy, call.part("name")) else 404)

    async def delete_legacy(self, call: Call) -> Reply:
        for name in _existing(self._house.templates.legacy, call.part("name"), "index_template"):
            await self._house.templates.legacy.delete(name)
        return Reply({"acknowledged": True})

    def _check_template(self, template: Object) -> None:
        index_settings(template.get("settings") or {})
        checked_definition(template.get("mappings") or {})

    # Data streams and rollover.

    # Lifecycle policies.

    # Ingest pipelines.

    # Stored scripts are search templates only: Painless is kept, and refused when it is to run.


def named_in(shelf: Shelf, expression: str) -> dict[str, Object]:
    """What an expression with names and wildcards names; all for none."""
    every = shelf.all()
    if not expression or expression in ("*", "_all"):
        return every
    patterns = expression.split(",")
    return {name: spec for name, spec in every.items() if any(fnmatchcase(name, pattern) for pattern in patterns)}


def _existing(shelf: Shelf, expression: str, what: str) -> list[str]:
    found = named_in(shelf, expression)
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
