"""Which operation of a REST service a method, path and query mean.

Candidates are ranked: more fixed path segments first, then more query literals, then more required
parameters that are there (S3 tells UploadPart from PutObject by partNumber and uploadId, CopyObject by its
header). Source: Smithy specification, "http trait", disambiguation; S3 API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from maru.wire.aws.shapes import OperationModel

COPY_SOURCE = "x-amz-copy-source"
"""The only header by which S3 tells operations apart."""


@dataclass(frozen=True, slots=True)
class Route:
    """needs: query parameters and headers (lower case) that are required of the operation, beside its literals."""

    operation: OperationModel
    segments: tuple[str, ...]
    needs_query: tuple[str, ...]
    needs_headers: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, int, int, int, str]:
        """Ascending: the best first. Of equals (an operation and its older form) the longer name."""
        fixed = sum(1 for segment in self.segments if not segment.startswith("{"))
        needs = len(self.needs_query) + len(self.needs_headers)
        name = self.operation.name
        return (-fixed, -len(self.operation.literals), -needs, -len(name), name)


class Routes:
    """The routes of one service by method and number of segments. `skipped`: operations that are never meant."""

    def __init__(self, operations: Iterable[OperationModel], skipped: frozenset[str] = frozenset()) -> None:
        self._routes: dict[str, list[Route]] = {}
        for operation in operations:
            if operation.name not in skipped:
                self._routes.setdefault(operation.method, []).append(_route(operation))
        for routes in self._routes.values():
            routes.sort(key=lambda route: route.rank)
        self._without_query = {
            method: [route for route in routes if not route.operation.literals and not route.needs_query]
            for method, routes in self._routes.items()
        }

    def find(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[OperationModel, dict[str, str]] | None:
        """The operation and its path's values, decoded; path: as sent. None if nothing fits.

        Raises UnicodeDecodeError for a path that is not UTF-8.
        """
        segments = path.split("/")[1:]
        for route in (self._routes if query else self._without_query).get(method, ()):
            if not _has_query(route, query) or any(name not in headers for name in route.needs_headers):
                continue
            values = _bound(route.segments, segments)
            if values is not None:
                return route.operation, values
        return None

    def methods(self) -> Sequence[str]:
        """All methods that some operation has."""
        return tuple(self._routes)


def _route(operation: OperationModel) -> Route:
    shape = operation.input
    query: list[str] = []
    headers: list[str] = []
    if shape is not None:
        for name in shape.required:
            member = shape.members[name]
            if member.location == "querystring":
                query.append(member.wire_name)
            elif member.wire_name == COPY_SOURCE:
                headers.append(COPY_SOURCE)
    return Route(operation, tuple(operation.path.split("/")[1:]), tuple(query), tuple(headers))


def _has_query(route: Route, query: Mapping[str, str]) -> bool:
    for name, value in route.operation.literals:
        if name not in query or (value is not None and query[name] != value):
            return False
    return all(name in query for name in route.needs_query)


def _bound(template: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for place, part in enumerate(template):
        if part.endswith("+}"):
            rest = "/".join(segments[place:])
            if not rest:
                return None
            values[part[1:-2]] = unquote(rest, errors="strict")
            return values
        if place >= len(segments):
            return None
        if part.startswith("{"):
            if not segments[place]:
                return None
            values[part[1:-1]] = unquote(segments[place], errors="strict")
        elif part != segments[place]:
            return None
    extra = segments[len(template) :]
    return values if not extra or extra == [""] else None
