"""libpod's edge: which handler a path means, errors in podman's words, and docker's paths beside them.

Every answer says which libpod is spoken. Source: podman pkg/api/server/handler_api.go, pkg/api/handlers/utils.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from maru.contracts.engine_api import EngineApi
from maru.core import errors
from maru.core.document import Value
from maru.core.front.answers import json_answer
from maru.core.front.message import TAKEN, Answer, Handler, Request
from maru.core.front.routes import Route, Routes
from maru.core.limits import REQUEST_BODY_BYTES_MAX
from maru.wire.docker.filters import Filters, parse_filters
from maru.wire.libpod.faults import fault
from maru.wire.libpod.versions import COMPATIBLE, VERSION, split_version

NO_CONTENT = Answer(204)
HEADERS: Mapping[str, str] = {
    "Libpod-API-Version": VERSION,
    "Api-Version": COMPATIBLE,
    "Server": f"Libpod/{VERSION} (linux)",
}

_STATUS: tuple[tuple[type[errors.MaruError], int], ...] = (
    (errors.NotFound, 404),
    (errors.AlreadyExists, 409),
    (errors.Conflict, 409),
    (errors.Invalid, 400),
    (errors.Unauthenticated, 401),
    (errors.Denied, 403),
    (errors.TooLarge, 413),
    (errors.Throttled, 429),
    (errors.Unavailable, 500),
    (errors.Deadline, 504),
    (errors.NotSupported, 501),
)


def router(routes: Sequence[Route], engine: EngineApi) -> Handler:
    """The handler over `routes`; paths of docker's API go to `engine`."""
    table = Routes(routes, failure)

    async def chosen(request: Request) -> Answer:
        try:
            path = split_version(request.path)
        except ValueError as error:
            return failure(said(errors.Invalid, str(error)))
        if path is None:
            return await engine.answer(request)
        given = await table.answer(request, path)
        if given is not None:
            return given
        if table.knows(path):
            return json_answer(fault("method not allowed", "method not allowed", 405), 405)
        return failure(errors.NotSupported(what=f"{request.method} {path} is not supported by Maru", why=""))

    async def answer(request: Request) -> Answer:
        given = await chosen(request)
        return given if given is TAKEN else _told(given)

    return answer


def bug_answer(_request: Request) -> Answer:
    """What a client is told whose request ended in a bug of ours."""
    return _told(failure(said(errors.Broken, "internal error")))


def failure(error: errors.MaruError) -> Answer:
    """`status` and `cause` in an error's details win over what its class says."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    status = int(error.details.get("status", status))
    return json_answer(fault(str(error), str(error.details.get("cause") or str(error)), status), status)


def said(kind: type[errors.MaruError], words: str, cause: str = "", status: int = 0) -> errors.MaruError:
    """An error whose text is `words` and its cause, as podman wraps them."""
    details: dict[str, object] = {"cause": cause} if cause else {}
    if status:
        details["status"] = status
    return kind(what=f"{words}: {cause}" if cause else words, why="", fix="", **details)


def is_true(request: Request, name: str, default: bool = False) -> bool:
    """A boolean query value. Raises Invalid."""
    text = request.query_get(name).strip().lower()
    if not text:
        return default
    if text in ("1", "t", "true", "yes"):
        return True
    if text in ("0", "f", "false", "no", "none"):
        return False
    raise said(errors.Invalid, f'failed to parse parameters: schema: error converting value for "{name}"')


def number(request: Request, name: str, default: float = 0) -> float:
    """A numeric query value. Raises Invalid."""
    text = request.query_get(name)
    try:
        return float(text) if text else default
    except ValueError as error:
        words = f'failed to parse parameters: schema: error converting value for "{name}"'
        raise said(errors.Invalid, words) from error


def values(request: Request, name: str) -> list[str]:
    """Every value of a repeated query field."""
    return [value for key, value in request.query if key == name and value]


def filters_of(request: Request, known: Sequence[str] = ()) -> Filters:
    """The `filters` of a list; known: none for any. Raises Invalid."""
    text = request.query_get("filters")
    try:
        names = known or sorted(msgspec.json.decode(text or "{}", type=dict[str, object]))
        return parse_filters(text, names)
    except (ValueError, msgspec.MsgspecError) as error:
        raise said(errors.Invalid, str(error)) from error


async def body_of(request: Request) -> Value:
    """The JSON object of a body; {} when there is none. Raises Invalid."""
    text = await request.body(REQUEST_BODY_BYTES_MAX)
    try:
        given: Value = msgspec.json.decode(text, type=dict) if text.strip() else {}
    except msgspec.MsgspecError as error:
        raise said(errors.Invalid, f"failed to decode the body: {error}") from error
    return given


def _told(answer: Answer) -> Answer:
    """With which libpod is spoken."""
    return Answer(answer.status, answer.body, {**answer.headers, **HEADERS})
