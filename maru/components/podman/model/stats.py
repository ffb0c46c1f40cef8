"""What containers use, as `podman stats` shows it.

Source: podman 5.5, libpod/define/containerstate.go ContainerStats (NetInput, NetOutput: those of podman 4).
"""

from __future__ import annotations

from datetime import datetime

from maru.core.document import Value
from maru.wire.docker.moments import moment_of


def stats_value(name: str, started_at: str, sample: Value, now: datetime) -> Value:
    """sample: the Engine API's ContainerStats of one moment."""
    cpu, memory = sample.get("cpu_stats") or {}, sample.get("memory_stats") or {}
    usage = (cpu.get("cpu_usage") or {}).get("total_usage") or 0
    started = moment_of(started_at)
    ran_s = (now - started).total_seconds() if started is not None else 0.0
    used, limit = memory.get("usage") or 0, memory.get("limit") or 0
    networks: Value = sample.get("networks") or {}
    blocks = (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    percent = 100.0 * usage / (ran_s * 1e9) if ran_s > 0 else 0.0
    return {
        "AvgCPU": percent,
        "ContainerID": sample.get("id") or "",
        "Name": name,
        "PerCPU": None,
        "CPU": percent,
        "CPUNano": usage,
        "CPUSystemNano": (cpu.get("cpu_usage") or {}).get("usage_in_kernelmode") or 0,
        "SystemNano": int(now.timestamp() * 1e9),
        "MemUsage": used,
        "MemLimit": limit,
        "MemPerc": 100.0 * used / limit if limit else 0.0,
        "Network": {device: _network(figures) for device, figures in networks.items()},
        "NetInput": sum(figures.get("rx_bytes") or 0 for figures in networks.values()),
        "NetOutput": sum(figures.get("tx_bytes") or 0 for figures in networks.values()),
        "BlockInput": sum(each["value"] for each in blocks if str(each["op"]).lower() == "read"),
        "BlockOutput": sum(each["value"] for each in blocks if str(each["op"]).lower() == "write"),
        "PIDs": (sample.get("pids_stats") or {}).get("current") or 0,
        "UpTime": int(ran_s * 1e9),
        "Duration": int(ran_s * 1e9),
    }


def _network(figures: Value) -> Value:
    names = ("RxBytes", "RxDropped", "RxErrors", "RxPackets", "TxBytes", "TxDropped", "TxErrors", "TxPackets")
    return {name: figures.get(f"{name[:2].lower()}_{name[2:].lower()}") or 0 for name in names}
