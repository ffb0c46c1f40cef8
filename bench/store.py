"""The store by itself: durable writes beside bare SQLite's, lists, watches.

The disk under the temporary folder is the one that is measured.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench.report import Say, Table
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


def bare_sqlite(folder: Path, seconds: float) -> float:
    """Writes a second of the same bytes by bare SQLite with the same durability, each its own commit."""
    database = sqlite3.connect(folder / "bare.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE documents (name TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
    body = msgspec.json.encode(pod(0))
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        database.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", (f"pod-{count % 1000}", body))
        count += 1
    rate = count / (time.perf_counter() - start)
    database.close()
    return rate


async def _measure(folder: Path, say: Say) -> Table:
    table = Table("Store by itself, Pods of 2 KiB")
    path = folder / "bench.db"
    bare = bare_sqlite(folder, 2)
    before = resident_mb()
    async with open_store(path, SystemClock()) as store:
        say("writes")
        rate = await single(store, 2)
        peer = f"SQLite {bare:,.0f} /s, ratio {rate / bare:.2f}"
        table.add("durable writes, one at a time", f"{rate:,.0f} /s", "", peer)
        rate = await together(store)
        table.add("durable writes, 256 at a time", f"{rate:,.0f} /s", "", f"ratio {rate / bare:.2f}")
        cold, warm = lists(store)
        table.add(f"list of {PODS:,}, first / again", f"{cold:.1f} ms / {warm:.1f} ms")
        table.add("memory with them and their history", f"{resident_mb() - before:.0f} MB")
        say("watchers")
        rate, cpu_ms = await fan_out(store)
        table.add(f"events to {WATCHERS} watchers", f"{rate:,.0f} /s")
        table.add("processor time per event, all watchers", f"{cpu_ms:.2f} ms")
    start = time.perf_counter()
    async with open_store(path, SystemClock()) as store:
        table.add(f"open again with {store.count('pods'):,}", f"{(time.perf_counter() - start) * 1000:.0f} ms")
    return table


def measure(say: Say) -> Sequence[Table]:
    with tempfile.TemporaryDirectory() as folder:
        return [uvloop.run(_measure(Path(folder), say))]
