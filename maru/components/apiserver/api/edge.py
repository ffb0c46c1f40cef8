"""The API server's HTTP edge: who asks, may they, which part answers, and what is put on record.

Every failure becomes a Status here. Source: k8s.io/apiserver/pkg/server/config.go
(DefaultBuildHandlerChain: authentication, impersonation, audit, authorization).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.pages import Pages
from maru.components.apiserver.api.resources import Resources
from maru.components.apiserver.errors import from_wire
from maru.components.apiserver.metrics import Metrics
from maru.components.apiserver.model.path import Target, parse, verb_of
from maru.core.access import Attributes, Authorizer
from maru.core.clock import Clock
from maru.core.errors import MaruError
from maru.core.front.message import Answer, Request
from maru.core.identity.audit import AuditedRequest, AuditLog
from maru.core.identity.authenticator import ANONYMOUS_CALLER, Authenticator, Callers
from maru.core.identity.denial import denial
from maru.wire.k8s.errors import WireError
from maru.wire.k8s.selectors import parse_fields

_TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})
_NOBODY = Callers(ANONYMOUS_CALLER, ANONYMOUS_CALLER)


@dataclass(slots=True)
class _Asked:
    """What is known of a request so far, for the record."""

    callers: Callers = _NOBODY
    reason: str = ""
    message: str = ""
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Access:
    """Who says who asks, who says whether they may, and what keeps the record."""

    authenticator: Authenticator
    authorizer: Authorizer
    audit: AuditLog


class Edge:
    """The handler of every listener."""

    def __init__(self, access: Access, resources: Resources, pages: Pages, metrics: Metrics, clock: Clock) -> None:
        self._authenticator = access.authenticator
        self._authorizer = access.authorizer
        self._audit = access.audit
        self._resources = resources
        self._pages = pages
        self._metrics = metrics
        self._clock = clock

    async def answer(self, request: Request) -> Answer:
        """Answer one request; expected failures are Status bodies."""
        received_at, began_s = self._clock.now(), self._clock.monotonic_s()
        asked = _Asked()
        target = parse(request.path)
        try:
            verb = verb_of(request.method, target, watch=request.query_get("watch") in _TRUE)
            attributes = attributes_of(target, verb, request.query_get("fieldSelector"))
        except MaruError as error:
            return answers.of_error(error)
        try:
            answer = await self._answer(request, target, attributes, asked)
        except MaruError as error:
            asked.message = str(error)
            answer = answers.of_error(error)
        except WireError as error:
            asked.message = error.message
            answer = answers.of_error(from_wire(error))
        self._metrics.requests.add(1.0, verb, str(answer.status))
        self._metrics.duration.observe(self._clock.monotonic_s() - began_s, verb)
        if self._audit.wants(verb, answer.status):
            self._audit.record(
                AuditedRequest(
                    real=asked.callers.real,
                    caller=asked.callers.caller,
                    attributes=attributes,
                    uri=request.raw_target,
                    address=request.peer.address.rpartition(":")[0] or request.peer.address,
                    user_agent=request.headers.get("User-Agent", ""),
                    received_at=received_at,
                    code=answer.status,
                    message=asked.message,
                    reason=asked.reason,
                    annotations=asked.annotations,
                )
            )
        return answer

    async def _answer(self, request: Request, target: Target, attributes: Attributes, asked: _Asked) -> Answer:
        asked.callers = self._authenticator.callers(request)
        caller = asked.callers.caller
        decision = self._authorizer.authorize(caller, attributes)
        asked.reason = decision.reason
        if not decision.allowed:
            raise denial(caller, attributes, decision)
        if target.is_resource:
            return await self._resources.answer(request, caller, target, attributes.verb, asked.annotations)
        return await self._pages.answer(request, caller)


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
