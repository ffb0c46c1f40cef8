"""podman's API: what it needs, how its parts are put together, and the socket it answers on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from maru.components.podman.api.containers import ContainerApi
from maru.components.podman.api.edge import bug_answer, router
from maru.components.podman.api.images import ImageApi
from maru.components.podman.api.manifests import ManifestApi
from maru.components.podman.api.networks import NetworkApi
from maru.components.podman.api.pods import PodApi
from maru.components.podman.api.running import RunningApi
from maru.components.podman.api.secrets import SecretApi
from maru.components.podman.api.streams import StreamApi
from maru.components.podman.api.system import SystemApi
from maru.components.podman.api.transfers import TransferApi
from maru.components.podman.api.views import Podman
from maru.components.podman.api.volumes import VolumeApi
from maru.components.podman.controllers import pods
from maru.components.podman.controllers.asking import Asking
from maru.components.podman.controllers.containers import Containers
from maru.components.podman.controllers.creating import Creating
from maru.components.podman.controllers.following import Following
from maru.components.podman.controllers.manifests import Manifests
from maru.components.podman.controllers.secrets import Secrets
from maru.components.podman.model import definitions
from maru.contracts.content_store import ContentStore
from maru.contracts.engine_api import EngineApi
from maru.contracts.image_store import ImageStore
from maru.contracts.registry_client import RegistryClient
from maru.contracts.runtime import ContainerRuntime
from maru.core.access import GROUP_MASTERS
from maru.core.client import Client, Clients
from maru.core.clock import Clock
from maru.core.document import Resource, Value
from maru.core.front.listener import UnixListener
from maru.core.front.routes import Route
from maru.core.front.server import Bounds, serve
from maru.core.identity.seal import RootKeySealer
from maru.core.ids import Ids
from maru.core.kept import Kept
from maru.core.lifecycle import Background, background
from maru.core.log import Log
from maru.core.site import Site

CALLER = "system:maru:podman"
KEY = "secrets.key"  # with it secrets are sealed; kept with backups of the store
STALL_S = 3600.0  # a client may look at its terminal for as long without reading

T = TypeVar("T")


@dataclass(frozen=True)
class Needs:
    site: Site
    engine: EngineApi
    runtime: ContainerRuntime
    images: ImageStore
    content: ContentStore
    registries: RegistryClient
    clients: Clients
    clock: Clock
    ids: Ids


@dataclass(frozen=True)
class Gives:
    """Nothing: others reach it over its socket."""


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Answer until closed; the containers go on."""
    site = needs.site
    folder = site.folder("podman")
    await asyncio.to_thread(folder.mkdir, mode=0o711, parents=True, exist_ok=True)
    sealer = await asyncio.to_thread(RootKeySealer.open_blocking, folder / KEY)
    client = needs.clients.acting_as(CALLER, [GROUP_MASTERS])
    async with background("podman") as tasks:
        kept_pods = await _kept(needs, client, tasks, definitions.PODS, definitions.read_pod)
        kept_secrets = await _kept(needs, client, tasks, definitions.SECRETS, definitions.read_secret)
        kept_lists = await _kept(needs, client, tasks, definitions.MANIFESTS, definitions.read_manifest_list)
        asking = Asking(needs.engine)
        containers = Containers(asking, needs.images, needs.runtime, needs.clock)
        all_pods = pods.Pods(pods.Needs(asking, containers, kept_pods, needs.clock, needs.ids))
        secrets = Secrets(kept_secrets, sealer, folder / "secrets", needs.clock, needs.ids)
        podman = Podman(
            asking=asking,
            containers=containers,
            creating=Creating(asking, containers, all_pods, secrets),
            pods=all_pods,
            secrets=secrets,
            images=needs.images,
            registries=needs.registries,
            runtime=needs.runtime,
            clock=needs.clock,
        )
        following = Following(containers, secrets, needs.clock, Log("podman"))
        await following.open()
        tasks.start(following.run(), "events")
        manifests = Manifests(kept_lists, containers, needs.content, needs.ids)
        handler = router(_routes(podman, manifests), needs.engine)
        listener = UnixListener(site.socket("podman"))
        bounds = Bounds(stall_s=STALL_S)
        async with serve([listener], handler, name="podman", bounds=bounds, bug_answer=bug_answer):
            yield Gives()
        tasks.cancel()


async def _kept(
    needs: Needs, client: Client, tasks: Background, resource: Resource, read: Callable[[Value], T]
) -> Kept[T]:
    kept = Kept(client, resource, read, needs.clock, needs.ids)
    await kept.ensure_kind(definitions.definition_of(resource))
    tasks.start(kept.run(), resource.plural)
    await kept.wait_synced()
    return kept


def _routes(podman: Podman, manifests: Manifests) -> Sequence[Route]:
    containers, images, networks = ContainerApi(podman), ImageApi(podman, manifests), NetworkApi(podman)
    all_pods, volumes = PodApi(podman), VolumeApi(podman)
    system = SystemApi(podman, containers, images, networks, all_pods, volumes)
    apis = (
        system,
        containers,
        RunningApi(podman),
        StreamApi(podman),
        images,
        TransferApi(podman, manifests),
        networks,
        volumes,
        SecretApi(podman.secrets),
        all_pods,
        ManifestApi(manifests),
    )
    return [route for api in apis for route in api.routes()]
