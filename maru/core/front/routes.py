"""The operations of an edge: a method and a path with at most one name in it, and who performs them.

Any step of an operation may write, so a full disk is an answer here and not a bug.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from maru.core.errors import MaruError, Unavailable
from maru.core.front.message import Answer, Request
from maru.linux.files import is_full, reason_of

Action = Callable[[Request, str], Awaitable[Answer]]
"""A handler with what stands for {name} in its path, "" if there is nothing."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. path: literal, with at most one {name}, which may hold slashes."""

    method: str
    path: str
    action: Action


class Routes:
    """`routes` in their order: the first that fits is taken. failure: an error in the edge's own protocol."""

    def __init__(self, routes: Sequence[Route], failure: Callable[[MaruError], Answer]) -> None:
        self._failure = failure
        self._table = [(each, re.compile(re.escape(each.path).replace(r"\{name\}", "(.+)"))) for each in routes]

    async def answer(self, request: Request, path: str) -> Answer | None:
        """What the operation says, errors included; None when there is none of this method and path."""
        for route, pattern in self._table:
            if route.method != request.method or (fitting := pattern.fullmatch(path)) is None:
                continue
            try:
                return await route.action(request, fitting.group(1) if fitting.groups() else "")
            except MaruError as error:
                return self._failure(error)
            except OSError as error:
                if not is_full(error):
                    raise
                words = f"write {error.filename or path}: {reason_of(error)}"
                return self._failure(Unavailable(what=words, why="", fix="", status=500))
        return None

    def knows(self, path: str) -> bool:
        """Whether another method has an operation at `path`; a name with slashes could be any path's rest."""
        fitting = [found for _, pattern in self._table if (found := pattern.fullmatch(path)) is not None]
        return any(not found.groups() or "/" not in found.group(1) for found in fitting)
