"""A node with the real engine: containers, cgroups and namespaces; the network gives addresses only."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from maru.components.engine import component as engine
from maru.components.engine.config import EngineConfig
from maru.contracts.image_store import Image, ImageConfig
from maru.core.clock import SystemClock
from maru.core.ids import SystemIds
from maru.core.site import Site
from maru.linux import cgroups
from maru.linux.mounts import mount_points, unmount_blocking
from tests.components.node.kubelet import NODE, Kubelet
from tests.fakes.client import FakeClients
from tests.fakes.images import FakeImages
from tests.fakes.pod_network import FakePodNetwork

PROGRAMS = "sh true false echo cat sleep stty dd head kill id grep ls mkdir touch hostname wget nc httpd tar env stat ps mount seq wc test printf readlink chmod ip sync"


class LayerImages(FakeImages):
    """Images of tests/fakes over one real layer with busybox."""

    layer = ""

    def layer_paths(self, image: Image) -> list[str]:
        return [self.layer]


def busybox_layer(folder: Path) -> str:
    (folder / "bin").mkdir(parents=True)
    for name in ("proc", "dev", "tmp", "etc", "sys", "root", "home"):
        (folder / name).mkdir()
    shutil.copy2("/bin/busybox", folder / "bin" / "busybox")
    for name in PROGRAMS.split():
        (folder / "bin" / name).symlink_to("busybox")
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nana:x:1000:1001:ana:/people/ana:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\nana:x:1001:\nteam:x:2000:ana\n")
    return str(folder)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Kubelet]:
    """Every container of the test must be gone at its end, and everything it stood on."""
    clock = SystemClock()
    site = Site(tmp_path, NODE, instance=f"nodetest-{os.getpid()}")
    images = LayerImages(tmp_path / "images")
    images.layer = busybox_layer(tmp_path / "layer")
    images.put("busybox:1", ImageConfig(command=("sh",), env=("PATH=/bin",)))
    needs = engine.Needs(site, clock, SystemIds(), EngineConfig())
    async with engine.open(needs) as gives:
        network = FakePodNetwork(node_ip="127.0.0.1")
        kubelet = Kubelet(tmp_path, FakeClients(clock), gives.runtime, images, network, clock, instance=site.instance)
        yield kubelet
        left = [status.labels for status in gives.runtime.list()]
        for status in gives.runtime.list():
            await gives.runtime.remove(status.id)
    assert left == []
    kubelet.assert_clean()
    folders = cgroups.detect().folders(f"/{site.instance}")
    assert [str(folder) for folder in folders if folder.exists()] == []
    shutil.rmtree(engine.state_folder(site), ignore_errors=True)


@pytest.fixture(autouse=True)
def unmounted(tmp_path: Path) -> Iterator[None]:
    """A test that failed leaves no mount behind either."""
    yield
    for point in reversed(mount_points(str(tmp_path))):
        unmount_blocking(point)
