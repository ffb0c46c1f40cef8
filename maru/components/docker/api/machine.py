"""The machine and what is stored on it: info and df. Source: Docker Engine API v1.50, SystemInfo, SystemDataUsage."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import maru
from maru.components.docker.api.edge import Route
from maru.components.docker.api.images import summary
from maru.components.docker.api.views import Engine, view_of
from maru.components.docker.engine.volume_files import size_blocking
from maru.components.docker.model.host_config import LOG_DRIVERS, Facts
from maru.components.docker.model.inspect import listed
from maru.components.docker.model.volume import volume_value
from maru.core.document import Value
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request


@dataclass(frozen=True, slots=True)
class MachineApi:
    """What `docker info` and `docker system df` show."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/info", self.describe),
            Route("GET", "/system/df", self.usage),
        )

    async def describe(self, _request: Request, _: str) -> Answer:
        return json_answer(await asyncio.to_thread(self._described_blocking))

    async def usage(self, request: Request, _: str) -> Answer:
        engine = self.engine
        kinds = {value for key, value in request.query if key == "type"} or {
            "container",
            "image",
            "volume",
            "build-cache",
        }
        shown: Value = {"LayersSize": 0, "Images": None, "Containers": None, "Volumes": None, "BuildCache": None}
        boxes = engine.boxes.all()
        if "image" in kinds:
            counts: dict[str, int] = {}
            for box in boxes:
                counts[box.container.image_id] = counts.get(box.container.image_id, 0) + 1
            images = engine.dock.images.list()
            shown["Images"] = [summary(image) | {"Containers": counts.get(image.id, 0)} for image in images]
            shown["LayersSize"] = sum(image.size_bytes for image in images)
        if "container" in kinds:
            views = [await view_of(engine, box, with_size=True) for box in boxes]
            shown["Containers"] = [listed(view, engine.dock.clock.now()) for view in views]
        if "volume" in kinds:
            shown["Volumes"] = [
                volume_value(volume)
                | {
                    "UsageData": {
                        "RefCount": len(engine.volumes.users_of(volume.name)),
                        "Size": await asyncio.to_thread(size_blocking, volume.mountpoint),
                    }
                }
                for volume in engine.volumes.all()
            ]
        if "build-cache" in kinds:
            shown["BuildCache"] = []
        return json_answer(shown)

    def _described_blocking(self) -> Value:
        engine, facts, site = self.engine, self.engine.dock.facts, self.engine.dock.site
        states = [box.state.state for box in engine.boxes.all()]
        machine = os.uname()
        return _abilities(facts) | {
            "ID": site.instance,
            "Containers": len(states),
            "ContainersRunning": states.count("running") + states.count("restarting"),
            "ContainersPaused": states.count("paused"),
            "ContainersStopped": len(states) - sum(states.count(each) for each in ("running", "restarting", "paused")),
            "Images": len(engine.dock.images.list()),
            "Driver": "overlay2",
            "DriverStatus": [["Backing Filesystem", _file_system(site.data_dir)], ["Supports d_type", "true"]],
            "Plugins": {
                "Volume": ["local"],
                "Network": ["bridge", "host", "ipvlan", "macvlan", "null"],
                "Authorization": None,
                "Log": sorted(LOG_DRIVERS),
            },
            "NFd": len(list(Path("/proc/self/fd").iterdir())),
            "NGoroutines": threading.active_count(),
            "SystemTime": engine.dock.now(),
            "LoggingDriver": "json-file",
            "CgroupDriver": "cgroupfs",
            "CgroupVersion": "2" if facts.is_unified else "1",
            "NEventsListener": engine.dock.events.listeners,
            "KernelVersion": machine.release,
            "OperatingSystem": _pretty_name(),
            "OSVersion": "",
            "OSType": "linux",
            "Architecture": machine.machine,
            "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8"], "IndexConfigs": {}, "Mirrors": []},
            "NCPU": facts.cpus,
            "MemTotal": facts.memory_bytes,
            "DockerRootDir": str(site.data_dir),
            "Name": site.node_name,
            "ServerVersion": getattr(maru, "__version__", "0.1.0"),
            "Runtimes": {name: {"path": name} for name in facts.runtimes},
            "DefaultRuntime": facts.default_runtime,
            "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False},
        }


def _abilities(facts: Facts) -> Value:
    """What holds for every platform on such a machine."""
    return {
        "MemoryLimit": True,
        "SwapLimit": facts.has_swap_limit,
        "CpuCfsPeriod": True,
        "CpuCfsQuota": True,
        "CPUShares": True,
        "CPUSet": True,
        "PidsLimit": True,
        "OomKillDisable": not facts.is_unified,
        "IPv4Forwarding": True,
        "BridgeNfIptables": False,
        "BridgeNfIp6tables": False,
        "Debug": False,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "GenericResources": None,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Labels": [],
        "ExperimentalBuild": False,
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "docker-init",
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": {"ID": ""},
        "InitCommit": {"ID": ""},
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "CDISpecDirs": None,
        "Warnings": None,
    }


def _pretty_name() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def _file_system(folder: Path) -> str:
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split(" ")
        if str(folder).startswith(point) and len(point) > len(best[0]):
            best = (point, kind)
    return best[1]
