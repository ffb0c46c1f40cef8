"""The API server's HTTP edge: who asks, may they, and which part answers.

Every failure becomes a Status here. Source: k8s.io/apiserver/pkg/server/config.go
(DefaultBuildHandlerChain: authentication, impersonation, audit, authorization).
"""

from __future__ import annotations

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.pages import Pages
from maru.components.apiserver.api.resources import Resources
from maru.components.apiserver.errors import from_wire
from maru.components.apiserver.path import Target, parse, verb_of
from maru.core.access import Attributes, Authorizer
from maru.core.errors import MaruError
from maru.core.front.message import Answer, Request
from maru.core.identity.authenticator import Authenticator
from maru.core.identity.denial import denial
from maru.wire.k8s.errors import WireError
from maru.wire.k8s.selectors import parse_fields

_TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})


class Edge:
    """The handler of every listener."""

    def __init__(
        self, authenticator: Authenticator, authorizer: Authorizer, resources: Resources, pages: Pages
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._resources = resources
        self._pages = pages

    async def handle(self, request: Request) -> Answer:
        """Answer one request; expected failures are Status bodies."""
        try:
            return await self._answer(request)
        except MaruError as error:
            return answers.of_error(error)
        except WireError as error:
            return answers.of_error(from_wire(error))

    async def _answer(self, request: Request) -> Answer:
        callers = self._authenticator.callers(request)
        target = parse(request.path)
        verb = verb_of(request.method, target, watch=request.query_get("watch") in _TRUE)
        attributes = attributes_of(target, verb, request.query_get("fieldSelector"))
        decision = self._authorizer.authorize(callers.caller, attributes)
        if not decision.allowed:
            raise denial(callers.caller, attributes, decision)
        if target.is_resource:
            return await self._resources.answer(request, callers.caller, target, verb)
        return await self._pages.answer(request, callers.caller)


def attributes_of(target: Target, verb: str, fields: str = "") -> Attributes:
    """What the authorizer is asked. A list or watch of one name asks for that name."""
    if not target.is_resource:
        return Attributes(verb, path=target.path)
    name = target.name
    if not name and fields and verb in ("list", "watch", "deletecollection"):
        try:
            name = parse_fields(fields).exact("metadata.name") or ""
        except WireError:
            name = ""
    return Attributes(verb, target.group, target.version, target.plural, target.subresource, target.namespace, name)
