"""The kubelet's paths on the node's unix socket, for the API server to proxy to.

Errors are plain text, as the kubelet's are: the API server turns them into a Status.
Source: pkg/kubelet/server, server.go.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from maru.components.node.api.commands import attach, exec_command
from maru.components.node.api.forward import port_forward
from maru.components.node.api.logs import container_logs
from maru.components.node.api.stats import resource_metrics, stats_summary
from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.usage_sampler import UsageSampler
from maru.components.node.controllers.workshop import Workshop
from maru.core import errors
from maru.core.front.answers import json_answer, text_answer
from maru.core.front.listener import UnixListener
from maru.core.front.message import Answer, Request
from maru.core.front.server import serve

Route = Callable[[Workshop, Pods, Request, dict[str, str]], Awaitable[Answer]]

_STATUS: tuple[tuple[type[errors.MaruError], int], ...] = (
    (errors.NotFound, 404),
    (errors.Invalid, 400),
    (errors.Conflict, 409),
    (errors.Denied, 403),
    (errors.NotSupported, 501),
    (errors.Deadline, 504),
)


@asynccontextmanager
async def node_api(workshop: Workshop, pods: Pods, sampler: UsageSampler) -> AsyncIterator[None]:
    """Serve until closed."""
    usage: Route = partial(_usage, sampler)
    routes = [*_routes(), ("GET", re.compile(r"/metrics/usage"), usage)]
    answer = partial(_dispatch, workshop, pods, routes)
    async with serve([UnixListener(workshop.site.socket("node"))], answer, name="node api"):
        yield


async def _dispatch(
    workshop: Workshop, pods: Pods, routes: Sequence[tuple[str, re.Pattern[str], Route]], request: Request
) -> Answer:
    for methods, pattern, route in routes:
        match = pattern.fullmatch(request.path)
        if match is None:
            continue
        if request.method not in methods.split():
            return text_answer("405 method not allowed\n", 405)
        try:
            return await route(workshop, pods, request, {name: part or "" for name, part in match.groupdict().items()})
        except errors.MaruError as error:
            status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
            return text_answer(f"{error.what} {error.why}".strip(), status)
    return text_answer("404 page not found\n", 404)


def _routes() -> Sequence[tuple[str, re.Pattern[str], Route]]:
    place = r"/(?P<namespace>[^/]+)/(?P<pod>[^/]+)"
    in_container = place + r"(?:/(?P<uid>[^/]+))?/(?P<container>[^/]+)"
    return (
        ("GET POST", re.compile("/exec" + in_container), exec_command),
        ("GET POST", re.compile("/attach" + in_container), attach),
        ("GET POST", re.compile("/portForward" + place + r"(?:/(?P<uid>[^/]+))?"), port_forward),
        ("GET", re.compile("/containerLogs" + place + r"/(?P<container>[^/]+)"), container_logs),
        ("GET", re.compile(r"/pods/?"), _pods),
        ("GET", re.compile(r"/stats/summary/?"), stats_summary),
        ("GET", re.compile(r"/metrics/resource"), resource_metrics),
        ("GET", re.compile(r"/healthz(?:/ping|/log|/syncloop)?"), _healthz),
    )


async def _pods(workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]) -> Answer:
    items = [{**worker.pod, "status": worker.status or worker.pod.get("status", {})} for worker in pods.list()]
    return json_answer({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})


async def _usage(
    sampler: UsageSampler, workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]
) -> Answer:
    return Answer(200, msgspec.json.encode(await sampler.measure()), {"Content-Type": "application/json"})


async def _healthz(workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]) -> Answer:
    return text_answer("ok")
