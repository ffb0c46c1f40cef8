"""What the server says of itself. Source: podman 5.5, libpod/define/info.go; pkg/api/handlers/compat/version.go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import maru
from maru.contracts.registry_client import RegistryRules
from maru.core.document import Value
from maru.wire.libpod.versions import COMPATIBLE, VERSION, VERSION_MIN
from maru.wire.oci.manifest import platform_of


@dataclass(frozen=True, slots=True)
class Machine:
    """memory: of /proc/meminfo by name, bytes."""

    uptime_s: float
    memory: Mapping[str, int]

    @classmethod
    def read_blocking(cls) -> Machine:
        """As it is now."""
        memory = {}
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            memory[name] = int(rest.split()[0]) * 1024
        return cls(float(Path("/proc/uptime").read_text().split()[0]), memory)


def version_value(machine: os.uname_result) -> Value:
    """Docker's shape, with podman's versions in it."""
    architecture = platform_of(machine.machine).architecture
    details = {
        "APIVersion": VERSION,
        "Arch": architecture,
        "BuildTime": "1970-01-01T00:00:00Z",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": "",
        "KernelVersion": machine.release,
        "MinAPIVersion": VERSION_MIN,
        "Os": "linux",
    }
    return {
        "Platform": {"Name": f"Maru {maru.__version__}"},
        "Components": [{"Name": "Podman Engine", "Version": VERSION, "Details": details}],
        "Version": VERSION,
        "ApiVersion": COMPATIBLE,
        "MinAPIVersion": "1.24",
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": architecture,
        "KernelVersion": machine.release,
        "BuildTime": "1970-01-01T00:00:00Z",
    }


def info_value(engine: Value, machine: os.uname_result, now: Machine, rules: RegistryRules) -> Value:
    """engine: the Engine API's info."""
    return {
        "host": _host(engine, machine, now),
        "store": _store(engine),
        "registries": {"search": ["docker.io"], **({"mirrors": list(rules.mirrors)} if rules.mirrors else {})},
        "plugins": {
            "volume": ["local"],
            "network": ["bridge", "macvlan"],
            "log": ["k8s-file", "json-file", "none"],
            "authorization": None,
        },
        "version": {
            "APIVersion": VERSION,
            "Version": VERSION,
            "GoVersion": "",
            "GitCommit": "",
            "BuiltTime": "Thu Jan  1 00:00:00 1970",
            "Built": 0,
            "OsArch": f"linux/{platform_of(machine.machine).architecture}",
            "Os": "linux",
        },
    }


def _host(engine: Value, machine: os.uname_result, now: Machine) -> Value:
    architecture = platform_of(machine.machine).architecture
    runtime = engine["DefaultRuntime"]
    return {
        "arch": architecture,
        "buildahVersion": "",
        "cgroupManager": "cgroupfs",
        "cgroupVersion": f"v{engine['CgroupVersion']}",
        "cgroupControllers": [],
        "conmon": {"package": "", "path": "conmon", "version": ""},
        "cpus": engine["NCPU"],
        "databaseBackend": "maru",
        "distribution": {"distribution": engine["OperatingSystem"], "version": ""},
        "eventLogger": "file",
        "hostname": engine["Name"],
        "idMappings": {"gidmap": None, "uidmap": None},
        "kernel": machine.release,
        "logDriver": "json-file",
        "memFree": now.memory["MemAvailable"],
        "memTotal": engine["MemTotal"],
        "networkBackend": "maru",
        "networkBackendInfo": {"backend": "maru", "dns": {}},
        "ociRuntime": {"name": runtime, "package": "", "path": (engine["Runtimes"].get(runtime) or {}).get("path", "")},
        "os": "linux",
        "remoteSocket": {"exists": True, "path": ""},
        "serviceIsRemote": True,
        "security": _security(),
        "slirp4netns": {"executable": "", "package": "", "version": ""},
        "swapFree": now.memory["SwapFree"],
        "swapTotal": now.memory["SwapTotal"],
        "uptime": _duration(now.uptime_s),
        "linkmode": "dynamic",
    }


def _store(engine: Value) -> Value:
    return {
        "configFile": "",
        "containerStore": {
            "number": engine["Containers"],
            "paused": engine["ContainersPaused"],
            "running": engine["ContainersRunning"],
            "stopped": engine["ContainersStopped"],
        },
        "graphDriverName": "overlay",
        "graphOptions": {},
        "graphRoot": engine["DockerRootDir"],
        "graphRootAllocated": 0,
        "graphRootUsed": 0,
        "graphStatus": dict(engine["DriverStatus"]),
        "imageCopyTmpDir": "",
        "imageStore": {"number": engine["Images"]},
        "runRoot": engine["DockerRootDir"],
        "volumePath": f"{engine['DockerRootDir']}/docker/volumes",
        "transientStore": False,
    }


def _duration(uptime_s: float) -> str:
    return f"{int(uptime_s // 3600)}h {int(uptime_s % 3600 // 60)}m {uptime_s % 60:.2f}s"


def _security() -> Mapping[str, object]:
    return {
        "apparmorEnabled": False,
        "capabilities": "",
        "rootless": False,
        "seccompEnabled": True,
        "seccompProfilePath": "",
        "selinuxEnabled": False,
    }
