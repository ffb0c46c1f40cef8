"""Services and Pods on the data plane: 10,000 Services loaded, one changed, Pods attached.

Runs in namespaces of its own (root) and leaves nothing.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.report import Say, Table, spread_ms
from maru.components.network.config import NetworkConfig
from maru.components.network.engine.data_plane import DataPlane, open_data_plane
from maru.components.network.model.claims import Claims
from maru.components.network.model.ground import ground_of
from maru.components.network.model.services import plan_service
from maru.contracts.pod_network import Attachment
from maru.core.site import Site

SERVICES = 10_000
ENDPOINTS = 3
CHANGES = 50
PODS = 50


@contextmanager
def namespaces(count: int) -> Iterator[list[str]]:
    """Paths of new network namespaces."""
    names = [f"bench-{uuid.uuid4().hex[:8]}" for _ in range(count)]
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        yield [f"/run/netns/{name}" for name in names]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def documents(number: int, *, shift: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """A Service with ENDPOINTS endpoints, and its slice."""
    ip = f"10.{96 + number // 65536}.{number // 256 % 256}.{number % 256}"
    spec = {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": 80, "protocol": "TCP"}]}
    endpoints = [
        {"addresses": [f"10.244.{(number + shift) // 256 % 256}.{(number + step * 7 + shift) % 256}"]}
        for step in range(ENDPOINTS)
    ]
    piece = {"addressType": "IPv4", "metadata": {"name": "s"}, "ports": [{"port": 8080}], "endpoints": endpoints}
    return {"metadata": {"name": f"s{number}"}, "spec": spec}, piece


async def load(plane: DataPlane, count: int) -> tuple[Claims, list[tuple[str, float]]]:
    """All Services at once, as at a start; seconds by step."""
    claims = Claims()
    made = [documents(number) for number in range(count)]
    begun = time.perf_counter()
    claims.fill({("b", service["metadata"]["name"]): plan_service(service, [piece], "n") for service, piece in made})
    planned = time.perf_counter()
    elements = claims.elements()
    await plane.replace(elements)
    done = time.perf_counter()
    return claims, [("plan", planned - begun), ("load into the kernel", done - planned)]


async def change(plane: DataPlane, claims: Claims) -> list[float]:
    """One Service after another gets other endpoints; seconds each."""
    took: list[float] = []
    for number in range(CHANGES):
        service, piece = documents(number, shift=1)
        begun = time.perf_counter()
        plan = plan_service(service, [piece], "n")
        difference, _ = claims.take({("b", service["metadata"]["name"]): plan})
        await plane.apply(difference)
        took.append(time.perf_counter() - begun)
    return took


async def attach(plane: DataPlane, paths: list[str]) -> tuple[list[float], float]:
    """Pods attached one after another, seconds each; then detached all at once, seconds together."""
    joined: list[float] = []
    for number, path in enumerate(paths):
        begun = time.perf_counter()
        await plane.attach(Attachment(f"bench-{number}", path, "default", f"bench-{number}"))
        joined.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    await asyncio.gather(*(plane.detach(f"bench-{number}") for number in range(len(paths))))
    return joined, time.perf_counter() - begun


def measure(say: Say) -> Sequence[Table]:
    say(f"{SERVICES:,} Services")
    return asyncio.run(_measure(SERVICES))


async def _measure(count: int) -> Sequence[Table]:
    with namespaces(PODS + 1) as paths, tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), "bench", instance="bench", bridge="bench0", service_cidr="10.96.0.0/12")
        async with open_data_plane(ground_of(site, NetworkConfig()), Path(folder), paths[0]) as plane:
            await plane.replace({})
            joined, left = await attach(plane, paths[1:])
            before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            claims, steps = await load(plane, count)
            after_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            changed = await change(plane, claims)
            again = time.perf_counter()
            await plane.replace({})
            again = time.perf_counter() - again
    table = Table(f"Data plane: {count:,} Services of {ENDPOINTS} endpoints, {PODS} Pods")
    for name, seconds in steps:
        table.add(name, f"{seconds * 1000:.0f} ms", "1 s" if name.startswith("load") else "")
    table.add("made anew in one transaction", f"{again * 1000:.0f} ms")
    table.add("one Service changed", spread_ms(changed), "5 ms")
    table.add("peak memory added", f"{(after_kib - before_kib) / 1024:.0f} MB")
    table.add("Pod attached", spread_ms(joined))
    table.add("Pods detached, all at once", f"{left * 1000:.1f} ms together")
    return [table]
