"""The paths of the distribution API, and errors as its clients read them.

A repository's name may hold slashes, so what follows it decides which path it is.
Source: OCI distribution specification 1.1, "Endpoints", "Error Codes".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from maru.components.registry.errors import answer_of, refusal
from maru.core.errors import MaruError
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Handler, Request
from maru.wire.oci.digest import is_digest
from maru.wire.oci.reference import is_path

VERSION_HEADERS: Mapping[str, str] = {"Docker-Distribution-API-Version": "registry/2.0"}


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names. item: a tag, a digest or an upload; "" where the path has none."""

    repository: str = ""
    item: str = ""


Action = Callable[[Request, Place], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. path: literal, with {name} for a repository and {item} for one part."""

    method: str
    path: str
    action: Action


def router(routes: Sequence[Route]) -> Handler:
    """The handler over `routes`: the first that fits is taken."""
    table = [(route, _pattern(route.path)) for route in routes]

    async def answer(request: Request) -> Answer:
        try:
            return await _answer(table, request)
        except MaruError as error:
            status, body = answer_of(error)
            return json_answer(body, status, {**VERSION_HEADERS, **error.details.get("headers", {})})

    return answer


def digest_of(text: str) -> str:
    """A digest that content can have here. Raises Invalid (DIGEST_INVALID)."""
    if not is_digest(text):
        raise refusal("DIGEST_INVALID", "provided digest is no sha256, sha384 or sha512 digest", {"digest": text})
    return text


async def _answer(table: Sequence[tuple[Route, re.Pattern[str]]], request: Request) -> Answer:
    methods = []
    for route, pattern in table:
        fitting = pattern.fullmatch(request.path)
        if fitting is None:
            continue
        methods.append(route.method)
        if request.method == route.method:
            place = Place(**fitting.groupdict())
            if place.repository and not is_path(place.repository):
                raise refusal("NAME_INVALID", "invalid repository name", {"name": place.repository})
            answer = await route.action(request, place)
            return Answer(answer.status, answer.body, {**VERSION_HEADERS, **answer.headers})
    if methods:
        message = f"{request.method} is not allowed for {request.path}"
        raise refusal("UNSUPPORTED", message, headers={"Allow": ", ".join(methods)})
    raise refusal("NAME_UNKNOWN", "there is no such path")


def _pattern(path: str) -> re.Pattern[str]:
    text = re.escape(path).replace(r"\{name\}", "(?P<repository>.+)").replace(r"\{item\}", "(?P<item>[^/]+)")
    return re.compile(text + "/?" if path.endswith("v2") or path.endswith("uploads") else text)
