"""How much of each service is done: what its component offers, against botocore's model of it.

A unix socket that its owner alone can connect to: GET /coverage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from maru.components.aws_front.api.desks import Desk, Desks
from maru.core.front.answers import json_answer
from maru.core.front.listener import UnixListener
from maru.core.front.message import Answer, Request
from maru.core.front.server import serve
from maru.core.site import Site

SOCKET = "aws-front"


def coverage(desks: Sequence[Desk]) -> Sequence[Mapping[str, object]]:
    """For each service: done and missing, names of the model's operations, ascending."""
    told = []
    for desk in sorted(desks, key=lambda one: one.name):
        modelled = sorted(desk.model.operation_names())
        done = [name for name in modelled if name in desk.operations]
        missing = [name for name in modelled if name not in desk.operations]
        told.append({"service": desk.name, "done": done, "missing": missing})
    return told


@asynccontextmanager
async def telling(site: Site, desks: Desks) -> AsyncIterator[None]:
    """Serve until closed."""

    async def answer(request: Request) -> Answer:
        if (request.method, request.path) != ("GET", "/coverage"):
            return json_answer({"message": "only GET /coverage is here"}, 404)
        return json_answer(coverage(desks.all()))

    async with serve([UnixListener(site.socket(SOCKET))], answer, name="aws_front coverage"):
        yield
