"""What there is: the version check, tags of a repository, and repositories, in pages.

Source: OCI distribution specification 1.1, "Listing Tags"; distribution's `_catalog`; docker-registry 0.9, "Search".
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from maru.components.registry.api.edge import Place, Route
from maru.components.registry.controllers.shelf import Shelf, rows
from maru.components.registry.errors import refusal
from maru.components.registry.model.ranges import page, page_size
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request

TAGS_PAGE_MAX = 10_000
REPOSITORIES_PAGE_MAX = 1000
SEARCH_MAX = 100


class ListApi:
    """Lists of every kind but referrers."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def routes(self) -> Sequence[Route]:
        """The lists."""
        return (
            Route("GET", "/v2", self.version),
            Route("HEAD", "/v2", self.version),
            Route("GET", "/v2/_catalog", self.repositories),
            Route("GET", "/v2/{name}/tags/list", self.tags),
            Route("GET", "/v1/_ping", self.first_protocol),
            Route("GET", "/v1/search", self.search),
        )

    async def version(self, _: Request, __: Place) -> Answer:
        """This is a registry."""
        return json_answer({})

    async def first_protocol(self, _: Request, __: Place) -> Answer:
        """Of the first protocol the search is answered, which is all that docker still asks of it."""
        return json_answer({}, 200, {"X-Docker-Registry-Version": "0.9.1", "X-Docker-Registry-Standalone": "true"})

    async def search(self, request: Request, _: Place) -> Answer:
        """The repositories whose name has `q` in it, in order."""
        term = request.query_get("q").strip().lower()
        count = _count(request, SEARCH_MAX)
        names = await rows(self._shelf.catalog.search_blocking, term, count)
        results = [{"name": name, "description": ""} for name in names]
        return json_answer({"num_results": len(results), "query": term, "results": results})

    async def tags(self, request: Request, place: Place) -> Answer:
        """The tags of a repository in order."""
        count = _count(request, TAGS_PAGE_MAX)
        if not await rows(self._shelf.catalog.has_repository_blocking, place.repository):
            raise refusal("NAME_UNKNOWN", "repository name not known to registry", {"name": place.repository})
        last = request.query_get("last")
        found = await rows(self._shelf.catalog.tags_blocking, place.repository, last, count + 1)
        names, has_more = page(found, count)
        headers = _next(f"/v2/{place.repository}/tags/list", names, count) if has_more else {}
        return json_answer({"name": place.repository, "tags": names}, 200, headers)

    async def repositories(self, request: Request, _: Place) -> Answer:
        """The repositories that have a manifest, in order."""
        count = _count(request, REPOSITORIES_PAGE_MAX)
        found = await rows(self._shelf.catalog.repositories_blocking, request.query_get("last"), count + 1)
        names, has_more = page(found, count)
        return json_answer({"repositories": names}, 200, _next("/v2/_catalog", names, count) if has_more else {})


def _count(request: Request, most: int) -> int:
    try:
        return page_size(request.query_get("n"), most)
    except ValueError as error:
        raise refusal("PAGINATION_NUMBER_INVALID", str(error), {"n": request.query_get("n")}) from error


def _next(path: str, names: Sequence[str], count: int) -> dict[str, str]:
    if not names:
        return {}
    return {"Link": f'<{path}?{urlencode({"n": count, "last": names[-1]})}>; rel="next"'}
