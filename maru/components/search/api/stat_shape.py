"""The shape of the statistics of one or several indices.

What is not measured here (times, caches of the JVM) is nought. Source: Elasticsearch reference, "Index stats API".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.wire.elastic.json import Object

_NOUGHT = {
    "indexing": "index_time_in_millis index_current index_failed delete_time_in_millis delete_current "
    "noop_update_total throttle_time_in_millis",
    "get": "total time_in_millis exists_total exists_time_in_millis missing_total missing_time_in_millis current",
    "search": "open_contexts query_time_in_millis query_current fetch_time_in_millis fetch_current scroll_total "
    "scroll_time_in_millis scroll_current suggest_total suggest_time_in_millis suggest_current",
    "merges": "current current_docs current_size_in_bytes total total_time_in_millis total_docs total_size_in_bytes",
    "refresh": "total_time_in_millis listeners",
    "flush": "periodic total_time_in_millis",
    "warmer": "current total total_time_in_millis",
    "query_cache": "memory_size_in_bytes total_count hit_count miss_count cache_size cache_count evictions",
    "fielddata": "memory_size_in_bytes evictions",
    "completion": "size_in_bytes",
    "segments": "memory_in_bytes index_writer_memory_in_bytes version_map_memory_in_bytes "
    "fixed_bit_set_memory_in_bytes",
    "translog": "operations size_in_bytes uncommitted_operations uncommitted_size_in_bytes earliest_last_modified_age",
    "request_cache": "memory_size_in_bytes evictions hit_count miss_count",
    "recovery": "current_as_source current_as_target throttle_time_in_millis",
    "bulk": "total_operations total_time_in_millis total_size_in_bytes avg_time_in_millis avg_size_in_bytes",
}


def summed(figures: Sequence[Object]) -> Object:
    """The statistics of indices together, in the shape that clients read."""

    def total(name: str) -> int:
        return sum(int(one[name]) for one in figures)

    size = total("bytes")
    told: Object = {
        "docs": {"count": total("docs"), "deleted": 0, "total_size_in_bytes": size},
        "shard_stats": {"total_count": len(figures)},
        "store": {"size_in_bytes": size, "total_data_set_size_in_bytes": size, "reserved_in_bytes": 0},
    }
    for name, members in _NOUGHT.items():
        told[name] = dict.fromkeys(members.split(), 0)
    told["indexing"] |= {"index_total": total("indexed"), "delete_total": total("deleted"), "is_throttled": False}
    told["search"] |= {"query_total": total("searches"), "fetch_total": total("searches")}
    told["refresh"] |= {"total": total("refreshes"), "external_total": total("refreshes")}
    told["flush"]["total"] = total("refreshes")
    told["segments"] |= {"count": total("segments"), "file_sizes": {}}
    return told
