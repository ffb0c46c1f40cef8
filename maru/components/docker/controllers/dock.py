"""What everything in this component stands on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maru.components.docker.config import DockerConfig
from maru.components.docker.controllers.events import Events
from maru.components.docker.model.host_config import Facts
from maru.contracts.container_network import ContainerNetwork
from maru.contracts.image_store import ImageStore
from maru.contracts.runtime import ContainerRuntime
from maru.core.client import Client
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.lifecycle import Background
from maru.core.log import Log
from maru.core.site import Site

OWNER = "docker"


@dataclass(frozen=True, slots=True)
class Dock:
    """folder: of this component; tasks: end with it."""

    site: Site
    config: DockerConfig
    facts: Facts
    runtime: ContainerRuntime
    images: ImageStore
    network: ContainerNetwork
    client: Client
    clock: Clock
    ids: Ids
    events: Events
    tasks: Background
    log: Log

    @property
    def folder(self) -> Path:
        return self.site.folder("docker")

    def folder_of(self, container_id: str) -> Path:
        """hosts, hostname, resolv.conf, log and namespaces of a container."""
        return self.folder / "containers" / container_id

    def now(self) -> str:
        """RFC 3339 with nanoseconds."""
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
