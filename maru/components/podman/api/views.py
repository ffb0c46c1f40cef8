"""What all edges stand on."""

from __future__ import annotations

from dataclasses import dataclass

from maru.components.podman.controllers.asking import Asking
from maru.components.podman.controllers.containers import Containers
from maru.components.podman.controllers.creating import Creating
from maru.components.podman.controllers.pods import Pods
from maru.components.podman.controllers.secrets import Secrets
from maru.contracts.image_store import ImageStore
from maru.contracts.registry_client import RegistryClient
from maru.contracts.runtime import ContainerRuntime
from maru.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Podman:
    """All controllers, for the edges."""

    asking: Asking
    containers: Containers
    creating: Creating
    pods: Pods
    secrets: Secrets
    images: ImageStore
    registries: RegistryClient
    runtime: ContainerRuntime
    clock: Clock
