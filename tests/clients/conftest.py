"""One platform for all client tests of a run; each test has a namespace of its own."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from maru.boot.site_file import Told, site
from tests.clients.platform import BINARIES, ROOT, VERSIONS, Kubectl, Platform, port_offset

PORT_OFFSET = port_offset(0)
CONFIG = "workloads: {autoscaler_sync_s: 1}\n"  # so that a test need not wait for the usual 15 s
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = str(ROOT / "tests" / "clients")
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    if os.geteuid() != 0:
        pytest.skip("a platform needs root")
    assert (BINARIES / "v36" / "kubectl").exists(), "the clients are not unpacked: run `make test`"
    # Unix socket paths are short, and pytest's folders are not.
    folder = Path(f"/tmp/maru-clients-{os.getpid()}")
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG)
    running = Platform(folder, PORT_OFFSET)
    running.up()
    yield running
    running.maru("reset", "--yes")
    folder.rmdir()
    assert leftovers(running) == set()


@pytest.fixture(params=VERSIONS)
def kubectl(request: pytest.FixtureRequest, platform: Platform) -> Iterator[Kubectl]:
    yield from _in_namespace(platform, request.param)


@pytest.fixture
def kubectl36(platform: Platform) -> Iterator[Kubectl]:
    yield from _in_namespace(platform, "v36")


def _in_namespace(platform: Platform, version: str) -> Iterator[Kubectl]:
    client = Kubectl(platform, version, f"t{next(_numbers)}")
    client("create", "namespace", client.namespace)
    yield client
    client("delete", "namespace", client.namespace, "--wait=false")


def leftovers(platform: Platform) -> set[str]:
    """What a platform could leave on the machine: mounts, its bridge, its table, its control groups, processes."""
    here = site(platform.data_dir, Told(node_name="", port_offset=0))
    mounts = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()}
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {
        *(mount for mount in mounts if mount.startswith(str(platform.data_dir))),
        *(path.name for path in Path("/sys/class/net").iterdir() if path.name == here.bridge),
        *(table for table in tables if table.split()[-1].startswith(here.instance)),
        # Others' control groups come and go meanwhile; os.walk passes over those that went.
        *(
            f"{folder}/{name}"
            for folder, names, _ in os.walk("/sys/fs/cgroup")
            for name in names
            if name == here.instance
        ),
        *(path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if str(platform.data_dir) in _read(path)),
    }


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
