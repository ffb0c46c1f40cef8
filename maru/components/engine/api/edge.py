"""The Docker Engine API's edge: which handler a path means, and errors in Docker's words.

Paths may carry a version (/v1.47/images/json); it chooses nothing, since answers are supersets.
Source: Docker Engine API v1.47, "Errors" and "Versioning".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from maru.core import errors
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Handler, Request

Action = Callable[[Request, str], Awaitable[Answer]]
"""A handler with what stands for {name} in its path."""

_VERSION = re.compile(r"/v1\.\d+(?=/)")
_STATUS: tuple[tuple[type[errors.MaruError], int], ...] = (
    (errors.NotFound, 404),
    (errors.AlreadyExists, 409),
    (errors.Conflict, 409),
    (errors.Invalid, 400),
    (errors.Unauthenticated, 401),
    (errors.Denied, 404),  # "pull access denied, or the repository does not exist" is a 404 of dockerd
    (errors.TooLarge, 413),
    (errors.Throttled, 429),
    (errors.Unavailable, 503),
    (errors.Deadline, 504),
    (errors.NotSupported, 501),
)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. path: literal, with at most one {name}, which may hold slashes."""

    method: str
    path: str
    action: Action


def router(routes: Sequence[Route]) -> Handler:
    """The handler over `routes`: the first that fits is taken."""
    table = [(route, re.compile(re.escape(route.path).replace(r"\{name\}", "(.+)"))) for route in routes]

    async def answer(request: Request) -> Answer:
        path = _VERSION.sub("", request.path, count=1)
        is_known = False
        for route, pattern in table:
            fitting = pattern.fullmatch(path)
            if fitting is None:
                continue
            is_known = True
            if request.method == route.method:
                try:
                    return await route.action(request, fitting.group(1) if fitting.groups() else "")
                except errors.MaruError as error:
                    return failure(error)
        if is_known:
            return json_answer({"message": f"{request.method} is not allowed for {path}"}, 405)
        return json_answer({"message": f"{path}: not supported"}, 501 if path.count("/") > 1 else 404)

    return answer


def failure(error: errors.MaruError) -> Answer:
    """An error as Docker's clients read it."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    return json_answer({"message": str(error)}, status)


def is_true(text: str) -> bool:
    """A boolean query value as Docker reads it: everything but these means yes."""
    return text.strip().lower() not in ("", "0", "no", "false", "none")
