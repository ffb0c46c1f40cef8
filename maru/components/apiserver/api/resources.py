"""Requests for resources: the verb of the method, to the verb's own function.

Subresources that are documents in disguise (status, ephemeralcontainers, resize, approval, finalize)
take the generic verbs; those that do something (scale, binding, eviction, token, log, exec, proxy)
have a handler in `subresources/`. Source: Kubernetes API concepts, "Resource URIs".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from maru.components.apiserver.api import reads, writes
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.errors import method_not_allowed, no_path
from maru.components.apiserver.model.catalog import Catalog, Served
from maru.components.apiserver.model.options import read_list
from maru.components.apiserver.model.path import Target
from maru.core.access import Caller
from maru.core.front.message import Answer, Request

Special = Callable[[Call, Request, Target, str], Awaitable[Answer]]
"""A subresource or virtual kind with a handler of its own: (call, request, target, verb)."""


class Resources:
    """Answers requests for resources. specials: by (storage, subresource), or ("", subresource) for any kind."""

    def __init__(self, house: House, specials: Mapping[tuple[str, str], Special]) -> None:
        self._house = house
        self._specials = specials

    async def answer(
        self, request: Request, caller: Caller, target: Target, verb: str, annotations: dict[str, str]
    ) -> Answer:
        """Raises core and wire errors; the edge turns them into Status. annotations: filled for the audit log."""
        served = find(self._house.catalog, target)
        call = Call(
            caller,
            served,
            target.namespace if served.resource.namespaced else "",
            target.name,
            target.subresource,
            user_agent=request.headers.get("User-Agent", ""),
            annotations=annotations,
        )
        special = self._special(served, target)
        if special is not None:
            return await special(call, request, target, verb)
        _check_verb(served, target, verb)
        return await self._generic(call, request, target, verb)

    def _special(self, served: Served, target: Target) -> Special | None:
        return self._specials.get((served.stored.storage, target.subresource)) or (
            self._specials.get(("", target.subresource)) if target.subresource else None
        )

    async def _generic(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        house = self._house
        if verb == "get":
            return await reads.get(house, call, request)
        if verb in ("list", "watch"):
            options = read_list(request.query_get)
            if verb == "watch":
                return await reads.watch(house, call, request, reads.watching(options, target))
            return await reads.list_(house, call, request, options)
        if verb == "create":
            return await writes.create(house, call, request)
        if verb == "update":
            return await writes.update(house, call, request)
        if verb == "patch":
            return await writes.patch(house, call, request)
        if verb == "delete":
            return await writes.delete(house, call, request)
        return await writes.delete_collection(house, call, request)


def find(catalog: Catalog, target: Target) -> Served:
    """The kind at the path. Raises 404 when nothing is served there."""
    served = catalog.find(target.group, target.version, target.plural)
    if served is None:
        no_path()
    if target.subresource and target.subresource not in served.subresources:
        no_path()
    if target.namespace and not served.resource.namespaced and target.plural != "namespaces":
        no_path()
    return served


def _check_verb(served: Served, target: Target, verb: str) -> None:
    if target.subresource:
        allowed = set(served.subresources[target.subresource].verbs)
    else:
        allowed = set(served.verbs)
    if served.resource.namespaced and not target.namespace and verb not in ("list", "watch"):
        raise method_not_allowed()
    if verb in ("update", "patch") and not target.name:
        raise method_not_allowed()
    if verb not in allowed or (target.name and verb == "create" and not target.subresource):
        raise method_not_allowed()
