"""What is known of an index in numbers: health, documents, bytes, operations."""

from __future__ import annotations

import asyncio
import resource

from maru.components.search.controllers.index import Index
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object

RANK = {"green": 0, "yellow": 1, "red": 2}


def status_of_index(index: Index) -> str:
    """red: it cannot be opened; yellow: replicas are wanted and are nowhere; green otherwise."""
    if index.problem:
        return "red"
    auto = str(index.settings.get("auto_expand_replicas", "false"))
    return "yellow" if index.replicas > 0 and not auto.startswith("0-") else "green"


def replicas_of(index: Index) -> int:
    """Copies that are wanted and are nowhere."""
    return 0 if str(index.settings.get("auto_expand_replicas", "false")).startswith("0-") else index.replicas


async def figures_of(index: Index) -> Object:
    """docs, bytes, segments, seq, searches and operations of an index; opened if it has to be."""
    if not index.is_open:
        return {
            "docs": 0,
            "bytes": 0,
            "segments": 0,
            "seq": -1,
            "searches": 0,
            "indexed": 0,
            "deleted": 0,
            "refreshes": 0,
        }
    try:
        shard = await index.engine()
    except MaruError:
        return {
            "docs": 0,
            "bytes": 0,
            "segments": 0,
            "seq": -1,
            "searches": 0,
            "indexed": 0,
            "deleted": 0,
            "refreshes": 0,
        }
    size = await asyncio.to_thread(shard.bytes_on_disk)
    found = sum(int(searcher.num_docs) for _, searcher in shard.snapshot().partitions)
    return {
        "docs": found,
        "bytes": size,
        "segments": shard.segments(),
        "seq": shard.seq,
        "searches": index.searches,
        "indexed": shard.indexed_total,
        "deleted": shard.deleted_total,
        "refreshes": index.stats.get("refreshes", 0),
    }


def memory_bytes() -> int:
    """What this process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
        return int(file.read().split()[1]) * resource.getpagesize()
