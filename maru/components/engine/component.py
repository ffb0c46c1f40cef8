"""The engine: containers and images of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from maru.components.engine.config import EngineConfig
from maru.components.engine.engine.asking import Asker
from maru.components.engine.engine.containers import Containers
from maru.components.engine.engine.content import Content
from maru.components.engine.engine.execs import Runner
from maru.components.engine.engine.held import HeldContent
from maru.components.engine.engine.images import Images, ImagesInUse
from maru.components.engine.engine.logs import rotate
from maru.components.engine.engine.machine import Machine
from maru.components.engine.engine.oci import choose, find_tool, installed_blocking, missing_blocking
from maru.components.engine.engine.registry import Registries
from maru.components.engine.engine.runtime import Runtime
from maru.components.engine.engine.transfer import Limits, Transfer
from maru.components.engine.model.specification import Grant
from maru.contracts.content_store import ContentStore
from maru.contracts.image_store import ImageStore
from maru.contracts.registry_client import RegistryClient
from maru.contracts.runtime import ContainerRuntime
from maru.core.clock import Clock, SystemClock
from maru.core.ids import Ids, SystemIds
from maru.core.lifecycle import background
from maru.core.site import Site
from maru.linux import caps, cgroups
from maru.wire.oci.confinement import CAPABILITIES_ALL

RUN_DIR = Path("/run")
REST_GRACE_S = 5.0  # between the two signals that end a container when the platform goes down
LIMITS = (
    "RLIMIT_CORE RLIMIT_CPU RLIMIT_DATA RLIMIT_FSIZE RLIMIT_MEMLOCK RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_NOFILE "
    "RLIMIT_NPROC RLIMIT_RSS RLIMIT_RTPRIO RLIMIT_RTTIME RLIMIT_SIGPENDING RLIMIT_STACK RLIMIT_AS"
)


@dataclass(frozen=True, slots=True)
class Needs:
    site: Site
    clock: Clock
    ids: Ids
    config: EngineConfig


@dataclass(frozen=True, slots=True)
class Gives:
    runtime: ContainerRuntime
    images: ImageStore
    content: ContentStore
    registries: RegistryClient


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - every component's entry
    """Take over what runs and serve it. Raises Unavailable when runtime or holder is not installed."""
    folder = needs.site.folder("engine")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o711)
    conmon = find_tool("conmon")
    groups = cgroups.detect()
    await asyncio.to_thread(groups.free_root_blocking)
    state = state_folder(needs.site)
    chosen = await choose(needs.config.runtime, state, folder, groups)
    runtimes = await asyncio.to_thread(installed_blocking, state, groups)
    machine = Machine(
        conmon=conmon,
        runtimes={**runtimes, chosen.name: chosen},
        default=chosen.name,
        cgroups=groups,
        grant=grant(),
        holder_group=f"/{needs.site.instance}/holders",
        create_deadline_s=needs.config.create_deadline_s,
        missing=await asyncio.to_thread(missing_blocking, runtimes),
    )
    containers = Containers(folder, Path(state, "exits"), needs.clock, groups)
    async with background("engine") as tasks:
        runner = Runner(folder / "execs", machine, needs.ids, tasks)
        await runner.clear()
        try:
            await containers.open(machine.runtimes)
            tasks.start(containers.follow(), "exits")
            tasks.start(rotate(containers, needs.clock, needs.config.log_check_s, needs.config.log_files_max), "logs")
            runtime = Runtime(machine, containers, runner, needs.clock)
            images = await open_images(needs, runtime, runtime.images_in_use)
            content = HeldContent(images.content, images.collect)
            yield Gives(runtime, images, content, Asker(registries_of(needs.config)))
        finally:
            tasks.cancel()
            containers.close()
            groups.remove_empty(machine.holder_group)
            groups.remove_empty(f"/{needs.site.instance}")


async def tear_down(site: Site) -> None:
    """End every container of a platform whose workers have stopped, and remove those of Pods. Idempotent.

    What others left in theirs stays, to be started again.
    """
    folder = site.folder("engine")
    if not (folder / "containers").is_dir():
        return
    groups = cgroups.detect()
    runtimes = await asyncio.to_thread(installed_blocking, state_folder(site), groups)
    machine = Machine("", runtimes, "", groups, grant(), f"/{site.instance}/holders", 0)
    containers = Containers(folder, Path(state_folder(site), "exits"), SystemClock(), groups)
    async with background("engine tear down") as tasks:
        try:
            await containers.open(runtimes)
            tasks.start(containers.follow(), "exits")
            runner = Runner(folder / "execs", machine, SystemIds(), tasks)
            runtime = Runtime(machine, containers, runner, SystemClock())
            for status in runtime.list("pods"):
                await runtime.remove(status.id)
            others = [status.id for status in runtime.list() if status.owner != "pods"]
            await asyncio.gather(*(runtime.rest(container_id, REST_GRACE_S) for container_id in others))
            await runner.clear()
        finally:
            tasks.cancel()
            containers.close()
            groups.remove_empty(machine.holder_group)
            groups.remove_empty(f"/{site.instance}")
    await asyncio.to_thread(shutil.rmtree, state_folder(site), ignore_errors=True)


class Stacks(Protocol):
    """Who knows which layers containers stand on."""

    def stacks_in_use(self) -> Sequence[Sequence[str]]: ...


async def open_images(needs: Needs, containers: Stacks, images_in_use: ImagesInUse | None = None) -> Images:
    """The image store, with what a crash left cleared away."""
    config = needs.config
    folder = needs.site.folder("images")
    content = Content(folder, needs.ids)
    transfer = Transfer(
        content,
        registries_of(config),
        needs.clock,
        Limits(config.pull_layers_at_once, config.pull_attempts_max),
    )
    images = Images(folder, content, transfer, containers.stacks_in_use, images_in_use)
    await images.open()
    return images


def registries_of(config: EngineConfig) -> Registries:
    """How registries are reached."""
    return Registries(frozenset(config.insecure_registries), config.registry_ca_file, config.registry_mirrors)


def state_folder(site: Site) -> str:
    """Where runtimes keep their state: short, gone after a reboot as they want it, and naming no folder of ours."""
    return str(RUN_DIR / f"oci-{hashlib.sha256(str(site.data_dir).encode()).hexdigest()[:8]}")


def grant() -> Grant:
    """What this process may hand on to containers."""
    limits = {name: limit for name in LIMITS.split() if (limit := caps.hard_limit(name)) is not None}
    numbers = caps.bounding_set()
    names = frozenset(name for number, name in enumerate(CAPABILITIES_ALL) if number in numbers)
    return Grant(names, limits, caps.out_of_memory_score())
