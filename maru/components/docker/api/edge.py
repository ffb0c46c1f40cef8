"""The Docker Engine API's edge: which handler a path means, and errors in Docker's words.

Paths may carry a version (/v1.47/images/json); answers are supersets, so it chooses little.
Source: Docker Engine API v1.50, "Errors" and "Versioning".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from maru.core import errors
from maru.core.document import Value
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Handler, Request
from maru.core.front.routes import Route, Routes
from maru.core.limits import REQUEST_BODY_BYTES_MAX
from maru.wire.docker.filters import Filters, parse_filters
from maru.wire.docker.versions import split_version

NO_CONTENT = Answer(204)

_STATUS: tuple[tuple[type[errors.MaruError], int], ...] = (
    (errors.NotFound, 404),
    (errors.AlreadyExists, 409),
    (errors.Conflict, 409),
    (errors.Invalid, 400),
    (errors.Unauthenticated, 401),
    (errors.Denied, 403),
    (errors.TooLarge, 413),
    (errors.Throttled, 429),
    (errors.Unavailable, 503),
    (errors.Deadline, 504),
    (errors.NotSupported, 501),
)


def router(routes: Sequence[Route]) -> Handler:
    """The handler over `routes`."""
    table = Routes(routes, failure)

    async def answer(request: Request) -> Answer:
        try:
            _, path = split_version(request.path)
        except ValueError as error:
            return json_answer({"message": str(error)}, 400)
        given = await table.answer(request, path)
        if given is not None:
            return given
        if table.knows(path):
            return json_answer({"message": f"{request.method} is not allowed for {path}"}, 405)
        if path.count("/") > 1:
            return json_answer({"message": f"{request.method} {path} is not supported by Maru"}, 501)
        return json_answer({"message": "page not found"}, 404)

    return answer


def failure(error: errors.MaruError) -> Answer:
    """An error as Docker's clients read it; `status` in its details wins over its class."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    return json_answer({"message": str(error)}, int(error.details.get("status", status)))


def is_older(request: Request, major: int, minor: int) -> bool:
    """Whether the client speaks an older API than `major.minor`; a path that names none means the newest."""
    return split_version(request.path)[0] < (major, minor)


def is_true(text: str) -> bool:
    """A boolean query value as Docker reads it: everything but these means yes."""
    return text.strip().lower() not in ("", "0", "no", "false", "none")


async def body_of(request: Request) -> Value:
    """The JSON object of a body; {} when there is none. Raises Invalid.

    Go reads names in any case, and clients rely on it for the first letter.
    """
    text = await request.body(REQUEST_BODY_BYTES_MAX)
    if not text.strip():
        return {}
    try:
        given: Value = msgspec.json.decode(text, type=dict)
        return {name[:1].upper() + name[1:]: value for name, value in given.items()}
    except msgspec.MsgspecError as error:
        raise said(errors.Invalid, f"invalid JSON: {error}") from error


def filters_of(request: Request, known: Sequence[str]) -> Filters:
    """The `filters` of a list. Raises Invalid."""
    try:
        return parse_filters(request.query_get("filters"), known)
    except ValueError as error:
        raise said(errors.Invalid, str(error)) from error


def said(kind: type[errors.MaruError], words: str, status: int = 0) -> errors.MaruError:
    """An error whose text is exactly `words`."""
    return kind(what=words, why="", fix="", **({"status": status} if status else {}))
