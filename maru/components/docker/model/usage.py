"""`docker stats`: one sample of what a container uses. Source: Docker Engine API v1.50, ContainerStats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from maru.contracts.runtime import BlockFigure, Usage
from maru.core.document import Value
from maru.wire.docker.moments import ZERO

BLOCK_FIELDS = (
    "io_service_bytes_recursive",
    "io_serviced_recursive",
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. usage: None while it does not run. system_ns: all processors' time since boot."""

    at: datetime
    usage: Usage | None
    system_ns: int
    networks: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Machine:
    """What samples are compared with."""

    cpus: int
    memory_bytes: int


def stats_value(container_id: str, name: str, now: Sample, before: Sample | None, machine: Machine) -> Value:
    """A sample, with the one before it."""
    usage = now.usage
    shown: Value = {
        "id": container_id,
        "name": f"/{name}",
        "read": _stamp(now.at),
        "preread": _stamp(before.at) if before else ZERO,
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu(now, machine),
        "precpu_stats": _cpu(before, machine) if before else _cpu_empty(),
        "memory_stats": {},
        "blkio_stats": dict.fromkeys(BLOCK_FIELDS),
        "pids_stats": {},
    }
    if usage is not None:
        limit = usage.memory_limit_bytes or machine.memory_bytes
        shown["memory_stats"] = {"usage": usage.memory_bytes, "limit": limit, "stats": dict(usage.memory)}
        shown["blkio_stats"] = _block(usage)
        shown["pids_stats"] = {"current": usage.pids} | ({"limit": usage.pids_limit} if usage.pids_limit else {})
        if now.networks:
            shown["networks"] = now.networks
    return shown


def _cpu(sample: Sample, machine: Machine) -> Value:
    if sample.usage is None:
        return _cpu_empty()
    usage = sample.usage
    return {
        "cpu_usage": {
            "total_usage": usage.cpu_ns,
            "usage_in_kernelmode": usage.cpu_system_ns,
            "usage_in_usermode": usage.cpu_user_ns,
        },
        "system_cpu_usage": sample.system_ns,
        "online_cpus": machine.cpus,
        "throttling_data": dict(zip(("periods", "throttled_periods", "throttled_time"), usage.throttling, strict=True)),
    }


def _block(usage: Usage) -> Value:
    """Version 2 of control groups counts bytes only, as far as dockerd shows; version 1 has both, the rest is empty."""
    filled = {"io_service_bytes_recursive": _devices(usage.block_bytes)}
    if any(each.operation == "read" for each in usage.block_bytes):
        return dict.fromkeys(BLOCK_FIELDS) | filled
    filled["io_serviced_recursive"] = _devices(usage.block_requests)
    return {name: filled.get(name, []) for name in BLOCK_FIELDS}


def _devices(figures: Sequence[BlockFigure]) -> list[Value]:
    return [{"major": each.major, "minor": each.minor, "op": each.operation, "value": each.count} for each in figures]


def _cpu_empty() -> Value:
    return {
        "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    }


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
