"""Search: documents indexed by bulk over HTTP, durable for each request, and how long queries take.

Lucene's figures for the same queries over a million documents stand beside as what to aim at.
"""

from __future__ import annotations

import os
import re
import statistics
import threading
import time
import urllib.request
from collections.abc import Sequence

import msgspec

from bench.platform import PORT_OFFSET, cpu_s, memory_mb, platform_running
from bench.report import Say, Table
from maru.core.site import PORT_ELASTIC

DOCUMENTS = int(os.environ.get("BENCH_SEARCH_DOCUMENTS", "1000000"))
DOCUMENT_BYTES = 275
BATCH = 2_000
WRITERS = 2
ASKED = 30
URL = f"http://127.0.0.1:{PORT_ELASTIC + PORT_OFFSET}"
MAPPING = {
    "settings": {"number_of_replicas": 0},
    "mappings": {
        "properties": {
            "@timestamp": {"type": "date"},
            "level": {"type": "keyword"},
            "host": {"type": "keyword"},
            "status": {"type": "integer"},
            "took_ms": {"type": "float"},
            "message": {"type": "text"},
        }
    },
}
QUERIES = (
    ("term", {"query": {"term": {"level": "error"}}}, "5.1 ms"),
    ("phrase", {"query": {"match_phrase": {"message": "connection timed out"}}}, "19 ms"),
    (
        "boolean",
        {
            "query": {
                "bool": {"must": [{"match": {"message": "connection user"}}], "filter": [{"term": {"level": "warn"}}]}
            }
        },
        "20 ms",
    ),
    (
        "date_histogram",
        {"size": 0, "aggs": {"d": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}}}},
        "21 ms",
    ),
    (
        "terms with avg",
        {"size": 0, "aggs": {"t": {"terms": {"field": "host"}, "aggs": {"a": {"avg": {"field": "took_ms"}}}}}},
        "2.8 ms",
    ),
)
_WORDS = re.split(
    r"\s+",
    "connection timed out while user login request failed retry upstream backend cache miss database query slow "
    "payment accepted order shipped session expired token renewed",
)


def measure(say: Say) -> Sequence[Table]:
    """Index, then ask."""
    table = Table(f"search, {DOCUMENTS:,} documents of {DOCUMENT_BYTES} bytes by bulk over HTTP")
    with platform_running() as platform:
        telemetry = platform.pids()["telemetry"]
        idle_mb = memory_mb(telemetry)
        _ask("PUT", "/bench", msgspec.json.encode(MAPPING))
        say("making documents")
        batches = [_batch(start) for start in range(0, DOCUMENTS, BATCH)]
        say("indexing")
        before, began = cpu_s(telemetry), time.perf_counter()
        _write(batches)
        took = time.perf_counter() - began
        table.add("indexed, durable for each request", f"{DOCUMENTS / took:,.0f} /s", "40,000 /s")
        table.add("  processor time for each", f"{(cpu_s(telemetry) - before) / DOCUMENTS * 1e6:.0f} us")
        began = time.perf_counter()
        _ask("POST", "/bench/_refresh")
        table.add("refresh after it", f"{(time.perf_counter() - began) * 1000:.0f} ms")
        for name, body, aim in QUERIES:
            say(name)
            table.add(name, _latency(msgspec.json.encode({**body, "track_total_hits": True})), aim)
        table.add("memory idle, and after it", f"{idle_mb:.0f} MB, {memory_mb(telemetry):.0f} MB", "45 MB, 400 MB")
    return [table]


def _batch(start: int) -> bytes:
    lines = []
    for number in range(start, min(start + BATCH, DOCUMENTS)):
        words = " ".join(_WORDS[(number * 7 + step * (1 + number % 5)) % len(_WORDS)] for step in range(40))
        document = {
            "@timestamp": 1_700_000_000_000 + number * 100,
            "level": ("info", "info", "info", "warn", "error")[number % 5],
            "host": f"web-{number % 20}",
            "status": 200 + number % 5 * 100,
            "took_ms": number % 1000 / 10,
            "message": "",
        }
        document["message"] = words[: DOCUMENT_BYTES - len(msgspec.json.encode(document))]
        lines += [b'{"index":{}}', msgspec.json.encode(document)]
    return b"\n".join([*lines, b""])


def _write(batches: list[bytes]) -> None:
    waiting = iter(batches)
    guard = threading.Lock()

    def work() -> None:
        while True:
            with guard:
                batch = next(waiting, None)
            if batch is None:
                return
            answer = _ask("POST", "/bench/_bulk?filter_path=errors", batch)
            if msgspec.json.decode(answer)["errors"]:
                raise RuntimeError("a document was refused")

    writers = [threading.Thread(target=work) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


def _latency(body: bytes) -> str:
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        _ask("POST", "/bench/_search?request_cache=false", body)
        took.append((time.perf_counter() - began) * 1000)
    return f"{statistics.median(took):.1f} ms"


def _ask(method: str, path: str, body: bytes | None = None) -> bytes:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        found: bytes = answer.read()
        return found
