"""Limits of a container as the OCI runtime configuration has them.

Source: OCI runtime specification 1.2, config-linux.md "Control groups"; moby daemon/daemon_unix.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.docker.model.host_config import Facts
from maru.core.document import Value
from maru.core.errors import Invalid

PERIOD_US = 100_000
UPDATABLE = (
    "BlkioWeight CpuShares CpuPeriod CpuQuota CpusetCpus CpusetMems NanoCpus Memory MemoryReservation MemorySwap "
    "PidsLimit CpuRealtimePeriod CpuRealtimeRuntime"
)


def oci_resources(host: Value, facts: Facts) -> Value:
    """linux.resources, without devices."""
    resources: Value = {}
    cpu: Value = {
        "shares": host["CpuShares"],
        "quota": host["CpuQuota"],
        "period": host["CpuPeriod"],
        "realtimePeriod": host["CpuRealtimePeriod"],
        "realtimeRuntime": host["CpuRealtimeRuntime"],
        "cpus": host["CpusetCpus"],
        "mems": host["CpusetMems"],
    }
    if host["NanoCpus"]:
        cpu |= {"period": PERIOD_US, "quota": host["NanoCpus"] * PERIOD_US // 1_000_000_000}
    memory: Value = {"limit": host["Memory"], "reservation": host["MemoryReservation"]}
    if facts.has_swap_limit:
        memory["swap"] = host["MemorySwap"]
    if host["OomKillDisable"] and not facts.is_unified:
        memory["disableOOMKiller"] = True
    if host["MemorySwappiness"] not in (None, -1) and not facts.is_unified:
        memory["swappiness"] = host["MemorySwappiness"]
    for name, values in (("cpu", cpu), ("memory", memory), ("blockIO", _block(host))):
        kept = {key: value for key, value in values.items() if value}
        if kept:
            resources[name] = kept
    if host["PidsLimit"]:
        resources["pids"] = {"limit": host["PidsLimit"] if host["PidsLimit"] > 0 else -1}
    return resources


def rlimits(host: Value) -> Sequence[Value]:
    """process.rlimits from Ulimits. Raises Invalid."""
    limits = []
    for limit in host["Ulimits"] or ():
        if limit["Hard"] != -1 and (limit["Soft"] > limit["Hard"] or limit["Soft"] == -1):
            raise Invalid(
                what=f"ulimit soft limit must be less than or equal to hard limit: {limit['Soft']} > {limit['Hard']}",
                why="",
            )
        limits.append({"type": f"RLIMIT_{limit['Name'].upper()}", "soft": limit["Soft"], "hard": limit["Hard"]})
    return limits


def _block(host: Value) -> Value:
    return {
        "weight": host["BlkioWeight"],
        "throttleReadBpsDevice": _rates(host["BlkioDeviceReadBps"]),
        "throttleWriteBpsDevice": _rates(host["BlkioDeviceWriteBps"]),
        "throttleReadIOPSDevice": _rates(host["BlkioDeviceReadIOps"]),
        "throttleWriteIOPSDevice": _rates(host["BlkioDeviceWriteIOps"]),
    }


def _rates(entries: Sequence[Value] | None) -> list[Value]:
    """Numbers of the device are filled in where they are known, as `major` and `minor`."""
    return [
        {"major": entry["Major"], "minor": entry["Minor"], "rate": entry["Rate"]}
        for entry in entries or ()
        if "Major" in entry
    ]
