"""An engine in a process of its own, to be killed: it starts the container it is told and says when it runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from maru.components.engine import component
from maru.components.engine.config import EngineConfig
from maru.contracts.runtime import ContainerSpec
from maru.core.clock import SystemClock
from maru.core.ids import SystemIds
from maru.core.site import Site


async def run(data_dir: str, instance: str, spec: str) -> None:
    site = Site(Path(data_dir), "node", instance=instance)
    needs = component.Needs(site, SystemClock(), SystemIds(), EngineConfig())
    async with component.open(needs) as gives:
        container = msgspec.convert(msgspec.json.decode(spec), ContainerSpec)
        await gives.runtime.create(container)
        await gives.runtime.start(container.id)
        sys.stdout.write("running\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
