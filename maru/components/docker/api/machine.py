"""The machine and what is stored on it: info and df. Source: Docker Engine API v1.50, SystemInfo, SystemDataUsage."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import maru
from maru.components.docker.api.image_prune import layer_sizes
from maru.components.docker.api.image_views import summary
from maru.components.docker.api.swarm import swarm_info
from maru.components.docker.api.views import Engine, view_of
from maru.components.docker.controllers.swarm.house import House
from maru.components.docker.engine.volume_files import size_blocking
from maru.components.docker.model.host_config import LOG_DRIVERS, Facts
from maru.components.docker.model.inspect import listed
from maru.components.docker.model.volume import volume_value
from maru.contracts.registry_client import RegistryRules
from maru.core.document import Value
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route


@dataclass(frozen=True, slots=True)
class MachineApi:
    """What `docker info` and `docker system df` show."""

    engine: Engine
    registries: RegistryRules
    house: House

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/info", self.describe),
            Route("GET", "/system/df", self.usage),
        )

    async def describe(self, _request: Request, _: str) -> Answer:
        return json_answer(await asyncio.to_thread(self._described_blocking, swarm_info(self.house)))

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
            shown |= await self._image_usage([box.container.image_id for box in boxes])
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
            shown["BuildCache"] = []  # what a build leaves are images here, as in dockerd's classic builder
        return json_answer(shown)

    async def _image_usage(self, used: Sequence[str]) -> Value:
        """Images as a list shows them; a layer that several have is shared, and counted once in all.

        used: the image ids of containers.
        """
        everything = self.engine.dock.images.list()
        built_upon = {image.parent for image in everything}
        listed_images = [each for each in everything if each.names or each.digests or each.id not in built_upon]
        sizes = await layer_sizes(self.engine.dock.images, everything)
        holders = Counter(layer for image in listed_images for layer in set(image.layers))
        shown = []
        for image in listed_images:
            shared = sum(sizes[layer] for layer in image.layers if holders[layer] > 1)
            whole = sum(sizes[layer] for layer in image.layers)
            shown.append(summary(image, whole) | {"SharedSize": shared, "Containers": used.count(image.id)})
        return {"Images": shown, "LayersSize": sum(sizes.values())}

    def _described_blocking(self, swarm: Value) -> Value:
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
                "Network": ["bridge", "host", "macvlan", "null", "overlay"],
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
            "RegistryConfig": _registry_config(self.registries),
            "NCPU": facts.cpus,
            "MemTotal": facts.memory_bytes,
            "DockerRootDir": str(site.data_dir),
            "Name": site.node_name,
            "ServerVersion": getattr(maru, "__version__", "0.1.0"),
            "Runtimes": {name: {"path": facts.runtimes[engine]} for name, engine in facts.runtime_names.items()},
            "DefaultRuntime": facts.default_runtime,
            "Swarm": swarm,
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
        "ExperimentalBuild": True,
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


def _registry_config(rules: RegistryRules) -> Value:
    def index(name: str, mirrors: Sequence[str], *, is_secure: bool) -> Value:
        return {"Name": name, "Mirrors": list(mirrors), "Secure": is_secure, "Official": name == "docker.io"}

    mirrors = [f"{mirror.rstrip('/')}/" for mirror in rules.mirrors]
    hosts = {host: index(host, (), is_secure=False) for host in rules.insecure if "/" not in host}
    return {
        "AllowNondistributableArtifactsCIDRs": None,
        "AllowNondistributableArtifactsHostnames": None,
        "InsecureRegistryCIDRs": ["127.0.0.0/8", *(each for each in rules.insecure if "/" in each)],
        "IndexConfigs": {"docker.io": index("docker.io", mirrors, is_secure=True)} | hosts,
        "Mirrors": mirrors or None,
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
