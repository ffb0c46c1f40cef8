"""What the store does on this machine: durable writes, lists, watches.

Run: python -m bench.store [folder]. The folder's disk is the one that is measured.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from maru.core.clock import SystemClock
from maru.core.document import Key
from maru.core.store.engine import Engine
from maru.core.store.interface import Change
from maru.core.store.opening import open_store

PODS = 10_000
POD_BYTES = 2048
WATCHERS = 100
EVENTS = 2_000


def pod(number: int) -> dict[str, Any]:
    name = f"pod-{number:06}"
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"{number:036}", "labels": {"app": "bench"}},
        "spec": {"containers": [{"name": "main", "image": "base", "env": []}]},
        "status": {"phase": "Running"},
    }
    env = value["spec"]["containers"][0]["env"]  # type: ignore[index]
    for index in range(24):
        env.append({"name": f"VARIABLE_{index}", "value": "x" * 36})
    return value


def change(number: int) -> Change:
    return Change(Key("pods", "default", f"pod-{number:06}"), pod(number))


async def single(store: Engine, seconds: float) -> float:
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        await store.write([change(count % 1000)])
        count += 1
    return count / (time.perf_counter() - start)


async def together(store: Engine) -> float:
    start = time.perf_counter()
    numbers = iter(range(PODS))

    async def writer() -> None:
        for number in numbers:
            await store.write([change(number)])

    async with asyncio.TaskGroup() as group:
        for _ in range(256):
            group.create_task(writer())
    return PODS / (time.perf_counter() - start)


def lists(store: Engine) -> tuple[float, float]:
    start = time.perf_counter()
    body = b"[" + b",".join([document.body for document in store.list("pods").documents]) + b"]"
    cold = time.perf_counter() - start
    start = time.perf_counter()
    b"".join([b"[", b",".join([document.body for document in store.list("pods").documents]), b"]"])
    assert len(body) > PODS * POD_BYTES // 2
    return cold * 1000, (time.perf_counter() - start) * 1000


async def fan_out(store: Engine) -> tuple[float, float]:
    async def watcher(watch: Any) -> int:
        seen = sent = 0
        while seen < EVENTS:
            for event in await watch.batch(60.0):
                seen += 1
                sent += len(event.document.event_line(event.kind))
        watch.close()
        return sent

    async with asyncio.TaskGroup() as group:
        for _ in range(WATCHERS):
            group.create_task(watcher(store.watch("pods")))
        start, cpu = time.perf_counter(), time.process_time()
        for first in range(0, EVENTS, 20):
            async with asyncio.TaskGroup() as writers:
                for number in range(first, first + 20):
                    writers.create_task(_write(store, number))
    return EVENTS / (time.perf_counter() - start), (time.process_time() - cpu) / EVENTS * 1000


async def _write(store: Engine, number: int) -> None:
    await store.write([change(number)])


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def run(folder: Path) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    path = folder / "bench.db"
    before = resident_mb()
    async with open_store(path, SystemClock()) as store:
        rows.append(("durable writes, one at a time", f"{await single(store, 2):,.0f} /s"))
        rows.append(("durable writes, 256 at a time", f"{await together(store):,.0f} /s"))
        cold, warm = lists(store)
        rows.append((f"list of {PODS:,}, first / again", f"{cold:.1f} ms / {warm:.1f} ms"))
        rows.append(("memory with them and their history", f"{resident_mb() - before:.0f} MB"))
        rate, cpu_ms = await fan_out(store)
        rows.append((f"events to {WATCHERS} watchers", f"{rate:,.0f} /s"))
        rows.append(("processor time per event, all watchers", f"{cpu_ms:.2f} ms"))
    start = time.perf_counter()
    async with open_store(path, SystemClock()) as store:
        rows.append((f"open again with {store.count('pods'):,}", f"{(time.perf_counter() - start) * 1000:.0f} ms"))
    return rows


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        rows = uvloop.run(run(Path(folder)))
    width = max(len(name) for name, _ in rows)
    for name, figure in rows:
        print(f"{name:<{width}}  {figure:>18}")


if __name__ == "__main__":
    main()
