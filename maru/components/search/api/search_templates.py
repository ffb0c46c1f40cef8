"""Search templates: a body of a search written in mustache, inline or stored.

Source: Elasticsearch reference, "Search template", "Multi search template", "Render search template".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.api.searches import SearchApi
from maru.components.search.errors import failure, illegal, missing, parsing
from maru.components.search.model.definitions import SCRIPTS
from maru.wire.elastic.json import BodyError, Object, decode_object, token_of
from maru.wire.elastic.mustache import MustacheError, render


class SearchTemplateApi:
    """The edges of templates for searches."""

    def __init__(self, house: House, searches: SearchApi) -> None:
        self._house = house
        self._searches = searches

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET POST", "/_search/template", self.search),
            Route("GET POST", "/{index}/_search/template", self.search),
            Route("GET POST", "/_msearch/template", self.msearch),
            Route("GET POST", "/{index}/_msearch/template", self.msearch),
            Route("GET POST", "/_render/template", self.render),
            Route("GET POST", "/_render/template/{id}", self.render),
        ]

    async def search(self, call: Call) -> Reply:
        given = call.needs_body()
        body = self._filled(given)
        if given.get("simulate") in (True, "true"):
            return Reply({"template_output": body})
        for name in ("explain", "profile"):
            if name in given:
                body[name] = given[name]
        return Reply(await self._searches.answered(call, call.part("index"), body))

    async def msearch(self, call: Call) -> Reply:
        return await self._searches.several(call, self._filled)

    async def render(self, call: Call) -> Reply:
        body = call.object()
        if call.part("id"):
            body = {**body, "id": call.part("id")}
        return Reply({"template_output": self._filled(body)})

    def _filled(self, given: Object) -> Object:
        """The body of the search. Raises what the server says of a template that is none."""
        for name, value in given.items():
            if name not in ("source", "id", "params", "explain", "profile", "simulate"):
                raise parsing(f"[search_template] unknown field [{name}]: {token_of(value)}")
        source = given.get("source")
        if "id" in given:
            stored = self._house.shelves.of(SCRIPTS).get(str(given["id"]))
            if stored is None:
                raise missing(f"unable to find script [{given['id']}] in cluster state")
            if stored["script"].get("lang") != "mustache":
                raise illegal(f"the script [{given['id']}] is not a template: its lang is not [mustache]")
            source = stored["script"].get("source")
        if source is None:
            reason = "Validation Failed: 1: template is missing;"
            raise failure(400, "action_request_validation_exception", reason)
        text = source if isinstance(source, str) else msgspec.json.encode(source).decode()
        try:
            return decode_object(render(text, given.get("params") or {}).encode())
        except MustacheError as error:
            cause = {"type": "mustache_exception", "reason": str(error)}
            raise failure(
                400,
                "script_exception",
                "compile error",
                script_stack=[],
                script=text,
                lang="mustache",
                caused_by=cause,
            ) from error
        except BodyError as error:
            raise failure(400, "x_content_parse_exception", f"[1:1] {error.reason}") from error
