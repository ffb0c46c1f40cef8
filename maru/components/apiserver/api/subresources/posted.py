"""What is posted to and answered, without being kept: the frame around such handlers.

Source: k8s.io/apiserver/pkg/registry/rest, NamedCreater.
"""

from __future__ import annotations

from dataclasses import dataclass

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.resources import Special
from maru.components.apiserver.api.writes import read_body
from maru.components.apiserver.engine.verbs.call import Call, Post
from maru.components.apiserver.errors import bad_request, method_not_allowed
from maru.components.apiserver.model.negotiate import choose
from maru.components.apiserver.model.options import read_write
from maru.components.apiserver.model.path import Target
from maru.core.document import Value
from maru.core.front.message import Answer, Request
from maru.wire.k8s.check import cannot_be_handled, check
from maru.wire.k8s.errors import Malformed, StrictDecoding
from maru.wire.k8s.schema import TypeNode


@dataclass(frozen=True, slots=True)
class Body:
    """What a handler takes. node: None takes anything."""

    api_version: str
    kind: str
    node: TypeNode | None


def posted(post: Post, body: Body) -> Special:
    """An HTTP handler around `post`: POST only, 201 with what it answers."""

    async def answer(call: Call, request: Request, target: Target, verb: str) -> Answer:
        if verb != "create":
            raise method_not_allowed()
        form = choose(request.headers.get("Accept", ""))
        call.options = read_write(request.query_get)
        decoded = await read_body(request)
        value = take(call, decoded.value, body, decoded.duplicates)
        result = await post(call, value)
        return answers.of_value(result, 201, media=form.media, warnings=call.warnings)

    return answer


def take(call: Call, value: object, body: Body, duplicates: tuple[str, ...] = ()) -> Value:
    """The body, checked against its type. Raises 400."""
    if not isinstance(value, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {body.kind}): not an object")
    kind = value.get("kind") or body.kind
    if kind != body.kind:
        raise bad_request(f"{kind} cannot be handled as a {body.kind}")
    value = {**value, "kind": body.kind, "apiVersion": value.get("apiVersion") or body.api_version}
    if not isinstance(value.setdefault("metadata", {}), dict):
        raise bad_request("metadata must be an object")
    if body.node is None:
        return value
    version = body.api_version.rpartition("/")[2]
    try:
        checked = check(body.node, value)
    except Malformed as error:
        raise bad_request(cannot_be_handled(body.kind, version, error)) from error
    messages = [*duplicates, *checked.unknown]
    if messages and call.options.validation == "Strict":
        raise bad_request(cannot_be_handled(body.kind, version, Malformed(StrictDecoding(messages).message)))
    if call.options.validation == "Warn":
        call.warn(messages)
    result: Value = checked.value
    return result
