"""HostConfig: what the machine does for a container: defaults, and what is refused in dockerd's words.

Source: moby daemon/container.go verifyContainerSettings, daemon/daemon_unix.go, runconfig/hostconfig.go;
Docker Engine API v1.50, HostConfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from maru.core.document import Value
from maru.core.errors import Invalid, NotFound, NotSupported
from maru.wire.docker.ports import parse_host_ports, parse_port
from maru.wire.oci.confinement import MASKED_PATHS, READONLY_PATHS

MEMORY_MIN_BYTES = 6 << 20
SHM_BYTES = 64 << 20
LOG_DRIVERS = frozenset({"json-file", "local", "none"})
POLICIES = ("no", "always", "on-failure", "unless-stopped")

_EMPTY_LISTS = (
    "Dns DnsOptions DnsSearch BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps "
    "BlkioDeviceWriteIOps Devices Ulimits"
)
_NULLS = (
    "Binds VolumesFrom CapAdd CapDrop ExtraHosts GroupAdd Links SecurityOpt DeviceCgroupRules DeviceRequests "
    "MemorySwappiness OomKillDisable PidsLimit"
)
_ZEROS = (
    "OomScoreAdj CpuShares Memory NanoCpus BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime "
    "MemoryReservation MemorySwap CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth"
)
_EMPTIES = "ContainerIDFile VolumeDriver Cgroup PidMode UTSMode UsernsMode Isolation CgroupParent CpusetCpus CpusetMems"
_FALSES = "AutoRemove Privileged PublishAllPorts ReadonlyRootfs"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the machine has. cpus: processors; runtimes: names to programs; default_runtime: the one taken
    for ""; refusals: runtimes that cannot be had here, with why.

    has_swap_limit: memory and swap can be limited together; is_unified: version 2 control groups alone.
    memory_min_bytes: the least limit that may be asked for.
    """

    cpus: int
    memory_bytes: int
    has_swap_limit: bool
    is_unified: bool
    runtimes: Mapping[str, str]
    default_runtime: str
    refusals: Mapping[str, str] = field(default_factory=dict)
    memory_min_bytes: int = MEMORY_MIN_BYTES

    @property
    def runtime_names(self) -> Mapping[str, str]:
        """What clients may ask for, to the engine's name: containerd's name of runc means runc."""
        names = {name: name for name in self.runtimes}
        return names | ({"io.containerd.runc.v2": "runc"} if "runc" in names else {})


def defaults(facts: Facts) -> Value:
    """Every field, as a container that asks for nothing shows it."""
    return {
        **dict.fromkeys(_NULLS.split()),
        **{name: [] for name in _EMPTY_LISTS.split()},
        **dict.fromkeys(_ZEROS.split(), 0),
        **dict.fromkeys(_EMPTIES.split(), ""),
        **dict.fromkeys(_FALSES.split(), False),
        "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": "bridge",
        "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "ConsoleSize": [0, 0],
        "CgroupnsMode": "private" if facts.is_unified else "host",
        "IpcMode": "private",
        "ShmSize": SHM_BYTES,
        "Runtime": facts.default_runtime,
        "MaskedPaths": list(MASKED_PATHS),
        "ReadonlyPaths": list(READONLY_PATHS),
    }


def normalised(given: Value, facts: Facts) -> Value:
    """The HostConfig to keep. Raises Invalid, NotSupported, in dockerd's words."""
    host = defaults(facts)
    names = {name.lower(): name for name in host}  # Go reads names in any case, and clients rely on it
    host |= {names.get(key.lower(), key): value for key, value in given.items() if value is not None}
    if host["NetworkMode"] in ("", "default"):
        host["NetworkMode"] = "bridge"
    for name, default in (("IpcMode", "private"), ("Runtime", facts.default_runtime)):
        host[name] = host[name] or default
    host["CgroupnsMode"] = host["CgroupnsMode"] or ("private" if facts.is_unified else "host")
    host["ShmSize"] = host["ShmSize"] or SHM_BYTES
    log = host["LogConfig"]
    host["LogConfig"] = {"Type": log.get("Type") or "json-file", "Config": log.get("Config") or {}}
    policy = host["RestartPolicy"]
    host["RestartPolicy"] = {
        "Name": policy.get("Name") or "no",
        "MaximumRetryCount": policy.get("MaximumRetryCount") or 0,
    }
    if host["Privileged"] and given.get("MaskedPaths") is None:
        host["MaskedPaths"], host["ReadonlyPaths"] = None, None
    check_resources(host, facts)
    if facts.has_swap_limit and host["Memory"] > 0 and host["MemorySwap"] == 0:
        host["MemorySwap"] = 2 * host["Memory"]
    check_policy(host["RestartPolicy"], auto_remove=bool(host["AutoRemove"]))
    _check_modes(host)
    _check_ports(host)
    _check_kept_out(host, facts)
    return host


def check_policy(policy: Value, *, auto_remove: bool) -> None:
    """Raises Invalid."""
    name, attempts = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    if name not in POLICIES:
        raise _invalid(
            f"invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or "
            "'unless-stopped'"
        )
    if name != "on-failure" and attempts:
        raise _invalid(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'"
            if attempts > 0
            else "invalid restart policy: maximum retry count cannot be negative"
        )
    if attempts < 0:
        raise _invalid("invalid restart policy: maximum retry count cannot be negative")
    if auto_remove and name != "no":
        raise _invalid("can't create 'AutoRemove' container with restart policy")


def check_resources(host: Value, facts: Facts) -> None:
    """Limits of memory, processors and processes. Raises Invalid."""
    memory, swap, reservation = host["Memory"], host["MemorySwap"], host["MemoryReservation"]
    if 0 < memory < facts.memory_min_bytes:
        raise _invalid("Minimum memory limit allowed is 6MB")
    if memory == 0 and swap > 0:
        raise _invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
    if memory > 0 and 0 < swap < memory:
        raise _invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < reservation < facts.memory_min_bytes:
        raise _invalid("Minimum memory reservation allowed is 6MB")
    if 0 < memory < reservation:
        raise _invalid("Minimum memory limit can not be less than memory reservation limit, see usage")
    swappiness = host["MemorySwappiness"]
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise _invalid(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    if not 0 <= host["NanoCpus"] <= facts.cpus * 1_000_000_000:
        why = f"as there are only {facts.cpus} CPUs available"
        raise _invalid(f"range of CPUs is from 0.01 to {facts.cpus:.2f}, {why}")
    if host["NanoCpus"] and (host["CpuPeriod"] or host["CpuQuota"]):
        what = "CPU Period" if host["CpuPeriod"] else "CPU Quota"
        raise _invalid(f"Conflicting options: Nano CPUs and {what} cannot both be set")
    if host["CpuPeriod"] and not 1000 <= host["CpuPeriod"] <= 1_000_000:
        raise _invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < host["CpuQuota"] < 1000:
        raise _invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if host["BlkioWeight"] and not 10 <= host["BlkioWeight"] <= 1000:
        raise _invalid("Range of blkio weight is from 10 to 1000")
    if not -1000 <= host["OomScoreAdj"] <= 1000:
        raise _invalid(f"Invalid value {host['OomScoreAdj']}, range for oom score adj is [-1000, 1000]")
    if host["ShmSize"] < 0:
        raise _invalid("SHM size can not be less than 0")


def _check_modes(host: Value) -> None:
    for name, allowed in (
        ("PidMode", ("", "private", "host")),
        ("IpcMode", ("private", "shareable", "host", "none")),
        ("UTSMode", ("", "private", "host")),
        ("CgroupnsMode", ("private", "host")),
        ("UsernsMode", ("", "host")),
    ):
        value = host[name]
        if value not in allowed and not (name in ("PidMode", "IpcMode") and value.startswith("container:")):
            what = {"PidMode": "PID", "IpcMode": "IPC", "UTSMode": "UTS", "UsernsMode": "user"}.get(name, "cgroup")
            raise _invalid(f"invalid {what} mode: {value}")
    mode = host["NetworkMode"]
    if mode.startswith("container:"):
        if host["PortBindings"] or host["PublishAllPorts"]:
            raise _invalid("conflicting options: port publishing and the container type network mode")
        if host["Links"]:
            raise _invalid("conflicting options: container type network can't be used with links")
        if host["ExtraHosts"]:
            raise _invalid("conflicting options: custom host-to-IP mapping and the network mode")
        if host["Dns"]:
            raise _invalid("conflicting options: dns and the network mode")
    if mode == "host" and host["Links"]:
        raise _invalid("conflicting options: host type networking can't be used with links")


def _check_ports(host: Value) -> None:
    try:
        for port, bindings in (host["PortBindings"] or {}).items():
            parse_port(port)
            for binding in bindings or ():
                parse_host_ports(str(binding.get("HostPort") or ""))
    except ValueError as error:
        raise _invalid(str(error)) from error
    for entry in host["ExtraHosts"] or ():
        name, colon, address = entry.partition(":")
        if not name or not colon or not address:
            raise _invalid(f'bad format for add-host: "{entry}"')


def _check_kept_out(host: Value, facts: Facts) -> None:
    if (name := host["Runtime"]) not in facts.runtime_names:
        why = f" ({facts.refusals[name]})" if name in facts.refusals else ""
        raise _invalid(f"unknown or invalid runtime name: {name}{why}")
    if host["Isolation"] not in ("", "default"):
        raise _invalid(f'invalid isolation "{host["Isolation"]}" on linux')
    if host.get("StorageOpt"):
        raise NotSupported(
            what="--storage-opt is supported only for overlay over xfs with 'pquota' mount option", why=""
        )
    if host["LogConfig"]["Type"] not in LOG_DRIVERS:
        raise NotFound(
            what=f"logger: no log driver named '{host['LogConfig']['Type']}' is registered", why="", status=500
        )
    known = {"json-file": ("max-size", "max-file", "labels", "labels-regex", "env", "env-regex", "tag", "compress")}
    driver = host["LogConfig"]["Type"]
    allowed = (*known["json-file"], "mode", "max-buffer-size")
    for name in host["LogConfig"]["Config"] if driver != "none" else ():
        if name not in allowed:
            raise _invalid(f"unknown log opt '{name}' for {driver} log driver")
    if host["DeviceRequests"]:
        capabilities = host["DeviceRequests"][0].get("Capabilities") or []
        words = " ".join(f"[{' '.join(group)}]" for group in capabilities)
        driver = host["DeviceRequests"][0].get("Driver") or ""
        raise NotSupported(
            what=f'could not select device driver "{driver}" with capabilities: [{words}]', why="", status=500
        )


def _invalid(words: str) -> Invalid:
    return Invalid(what=words, why="", fix="")
