"""A real engine in a folder of its own: unique control groups, and nothing left when the test ends."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from maru.components.engine import component
from maru.components.engine.config import EngineConfig
from maru.components.engine.engine.runtime import Runtime
from maru.contracts.runtime import ContainerSpec
from maru.core.clock import SystemClock
from maru.core.ids import SystemIds
from maru.core.site import Site
from maru.linux import cgroups
from maru.linux.mounts import mount_points
from tests.suites.runtime import SpecOf, process

CAPABILITIES = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_SYS_RESOURCE"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "data", "node", instance=f"engine-{os.getpid()}")


@pytest.fixture
def needs(site: Site) -> component.Needs:
    return component.Needs(site, SystemClock(), SystemIds(), EngineConfig())


@pytest.fixture
def layer(tmp_path: Path) -> str:
    """A layer with busybox and its most used names."""
    folder = tmp_path / "layer"
    (folder / "bin").mkdir(parents=True)
    for name in ("proc", "dev", "tmp"):
        (folder / name).mkdir()
    shutil.copy2("/bin/busybox", folder / "bin" / "busybox")
    for name in ("sh", "true", "false", "echo", "cat", "sleep", "stty", "dd", "head", "kill", "ulimit", "id", "grep"):
        (folder / "bin" / name).symlink_to("busybox")
    return str(folder)


@pytest.fixture
def spec_of(layer: str, site: Site) -> SpecOf:
    numbers = itertools.count(1)

    def make(*args: str, owner: str = "pods", resources: Any = None, more: Any = None, **fields: Any) -> ContainerSpec:
        number = f"{next(numbers):064x}"
        spec = {
            "process": process(*args)
            | {"capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES)}
            | (more or {}),
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance"]},
            ],
            "linux": {
                "cgroupsPath": f"/{site.instance}/pod/{number}",
                "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")],
                "resources": resources or {},
            },
        }
        return ContainerSpec(number, owner, [layer], spec, **fields)

    return make


@pytest.fixture
async def runtime(needs: component.Needs) -> AsyncIterator[Runtime]:
    """The runtime; every container of a test is removed, and the test fails if anything stays behind."""
    async with component.open(needs) as gives:
        assert isinstance(gives.runtime, Runtime)
        yield gives.runtime
        for status in gives.runtime.list():
            await gives.runtime.remove(status.id)
    leaves_nothing(needs.site)


def leaves_nothing(site: Site) -> None:
    assert mount_points(str(site.data_dir)) == []
    folders = cgroups.detect().folders(f"/{site.instance}")
    assert [str(folder) for folder in folders if folder.exists()] == []
    assert list((site.folder("engine") / "containers").iterdir()) == []
    shutil.rmtree(component.state_folder(site), ignore_errors=True)
