"""What the monitoring API says of pipelines and of the process, in Logstash's shapes.

What there is no counterpart of (a JVM's heap) is left out. Rates are those since the beginning.
Source: Logstash reference, "Node info API", "Node stats API".
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import resource
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from maru.components.pipelines.engine.house import House, Resident
from maru.components.pipelines.model.definitions import PERSISTED
from maru.core.document import Value

RELOAD_NS = 3_000_000_000


def os_of_node() -> Value:
    """The operating system."""
    about = os.uname()
    return {
        "name": about.sysname,
        "arch": about.machine,
        "version": about.release,
        "available_processors": os.cpu_count(),
    }


def runtime() -> Value:
    """What runs it, where Logstash tells of its JVM."""
    return {"pid": os.getpid(), "version": platform.python_version(), "vm_name": platform.python_implementation()}


def process_blocking() -> Value:
    """Descriptors, memory and CPU."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    one, five, fifteen = os.getloadavg()
    return {
        "open_file_descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names are enough
        "max_file_descriptors": limit,
        "mem": {"total_virtual_in_bytes": pages * resource.getpagesize()},
        "cpu": {
            "total_in_millis": int(sum(os.times()[:2]) * 1000),
            "load_average": {"1m": one, "5m": five, "15m": fifteen},
        },
    }


def settings_of(resident: Resident) -> Value:
    """One pipeline's settings."""
    spec = resident.spec
    return {
        "ephemeral_id": hash_of(resident)[:32],
        "hash": hash_of(resident),
        "workers": spec.workers,
        "batch_size": spec.batch_size,
        "batch_delay": spec.batch_delay_ms,
        "config_reload_automatic": True,
        "config_reload_interval": RELOAD_NS,
        "dead_letter_queue_enabled": spec.dead_letter_queue,
    }


def hash_of(resident: Resident) -> str:
    """Of the configuration."""
    return hashlib.sha256(resident.spec.config.encode()).hexdigest()


async def stats_of(name: str, resident: Resident, house: House) -> Value:
    """One pipeline's statistics."""
    counts, spec = resident.running.counts, resident.spec
    letters = house.ground.letters
    events = {
        "in": counts.events_in,
        "filtered": counts.filtered,
        "out": counts.events_out,
        "duration_in_millis": int(counts.took_s * 1000),
        "queue_push_duration_in_millis": _waited_ms(resident),
    }
    return {
        "events": events,
        "flow": _flow(events, (house.ground.now() - resident.began_at).total_seconds(), spec.workers),
        "plugins": _plugins(resident),
        "reloads": {
            "successes": resident.reloads,
            "failures": resident.failures,
            "last_error": {"message": resident.failure} if resident.failure else None,
            "last_success_timestamp": _stamp(resident.reloaded_at),
            "last_failure_timestamp": _stamp(resident.failed_at),
        },
        "queue": {
            "type": "persisted" if spec.queue == PERSISTED else "memory",
            "events_count": resident.queue.depth,
            "events": resident.queue.depth,
            "max_queue_size_in_bytes": spec.queue_max_bytes if spec.queue == PERSISTED else 0,
        },
        "dead_letter_queue": {
            "queue_size_in_bytes": await letters.size_bytes(name) if spec.dead_letter_queue else 0,
            "dropped_events": letters.dropped.get(name, 0),
            "storage_policy": "drop_newer",
            "refused": counts.refused,
        },
        "hash": hash_of(resident),
        "ephemeral_id": hash_of(resident)[:32],
    }


def together(residents: Sequence[Resident]) -> Value:
    """Events of all pipelines."""
    counts = [each.running.counts for each in residents]
    return {
        "in": sum(count.events_in for count in counts),
        "filtered": sum(count.filtered for count in counts),
        "out": sum(count.events_out for count in counts),
        "duration_in_millis": int(sum(count.took_s for count in counts) * 1000),
        "queue_push_duration_in_millis": sum(map(_waited_ms, residents)),
    }


def hot_tasks() -> Sequence[Value]:
    """What each task of the process waits for: one thread runs them all."""
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    return [
        {
            "name": task.get_name(),
            "percent_of_cpu_time": 0.0,
            "state": "done" if task.done() else "waiting",
            "path": None,
            "traces": [
                f"{frame.f_code.co_filename}:{frame.f_lineno}: {frame.f_code.co_qualname}" for frame in task.get_stack()
            ],
        }
        for task in tasks
    ]


def _plugins(resident: Resident) -> Value:
    built, counts = resident.running.built, resident.running.counts

    def took_ms(plugin: str) -> int:
        return int(counts.took_s_by_plugin.get(plugin, 0.0) * 1000)

    inputs = [
        {
            "id": of.id,
            "name": of.plugin.name,
            "events": {"out": counts.by_plugin.get(of.id, 0), "queue_push_duration_in_millis": took_ms(of.id)},
        }
        for of, _ in built.inputs
    ]
    filters = [
        {
            "id": each.named.id,
            "name": each.named.plugin.name,
            "events": {"in": each.events_in, "out": each.events_out, "duration_in_millis": int(each.took_s * 1000)},
        }
        for each in built.filters.plugins
    ]
    outputs = [
        {
            "id": of.id,
            "name": of.plugin.name,
            "events": {
                "in": counts.by_plugin.get(of.id, 0),
                "out": counts.by_plugin.get(of.id, 0),
                "duration_in_millis": took_ms(of.id),
            },
        }
        for of, _ in built.outputs
    ]
    return {"inputs": inputs, "codecs": [], "filters": filters, "outputs": outputs}


def _waited_ms(resident: Resident) -> int:
    spent = resident.running.counts.took_s_by_plugin
    return int(sum(spent.get(of.id, 0.0) for of, _ in resident.running.built.inputs) * 1000)


def _flow(events: Value, alive_s: float, workers: int) -> Value:
    alive_s = max(alive_s, 0.001)
    per_second: Callable[[str], Value] = lambda name: {"lifetime": round(events[name] / alive_s, 4)}  # noqa: E731
    return {
        "input_throughput": per_second("in"),
        "filter_throughput": per_second("filtered"),
        "output_throughput": per_second("out"),
        "queue_backpressure": {"lifetime": round(events["queue_push_duration_in_millis"] / 1000 / alive_s, 4)},
        "worker_concurrency": {"lifetime": round(events["duration_in_millis"] / 1000 / alive_s, 4)},
        "worker_utilization": {"lifetime": round(events["duration_in_millis"] / 10 / alive_s / workers, 4)},
    }


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment is not None else None
