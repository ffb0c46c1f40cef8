"""Who answers here: ping and version. Source: Docker Engine API v1.50, "System"."""

from __future__ import annotations

import os
from collections.abc import Sequence

import maru
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.versions import VERSION, VERSION_MIN
from maru.wire.oci.manifest import platform_of

_PING_HEADERS = {
    "Api-Version": VERSION,
    "Ostype": "linux",
    "Docker-Experimental": "true",
    "Builder-Version": "1",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Content-Type": "text/plain; charset=utf-8",
}


def routes() -> Sequence[Route]:
    """What this file answers."""
    return (
        Route("GET", "/_ping", _ping),
        Route("HEAD", "/_ping", _ping),
        Route("GET", "/version", _version),
    )


async def _ping(request: Request, _: str) -> Answer:
    return Answer(200, b"" if request.method == "HEAD" else b"OK", _PING_HEADERS)


async def _version(_request: Request, _: str) -> Answer:
    machine = os.uname()
    version = getattr(maru, "__version__", "0.1.0")
    architecture = platform_of(machine.machine).architecture
    details = {
        "ApiVersion": VERSION,
        "Arch": architecture,
        "BuildTime": "",
        "Experimental": "true",
        "GitCommit": "",
        "GoVersion": "",
        "KernelVersion": machine.release,
        "MinAPIVersion": VERSION_MIN,
        "Os": "linux",
    }
    return json_answer(
        {
            "Platform": {"Name": "Maru"},
            "Components": [{"Name": "Engine", "Version": version, "Details": details}],
            "Version": version,
            "Experimental": True,
            "ApiVersion": VERSION,
            "MinAPIVersion": VERSION_MIN,
            "GitCommit": "",
            "GoVersion": "",
            "Os": "linux",
            "Arch": architecture,
            "KernelVersion": machine.release,
            "BuildTime": "",
        }
    )
