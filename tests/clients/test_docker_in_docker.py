"""Docker in Docker: a container that drives the engine outside, and one that runs an engine of its own.

The image for the second is made from this machine's own /usr, mounted read-only: Debian's dockerd.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.platform import Platform, wait_until
from tests.clients.test_escapes import Engine

HOST = ("-v", "/usr:/usr:ro", "-v", "/etc/alternatives:/etc/alternatives:ro")
LINKS = "for name in lib lib64 sbin; do busybox rm -rf /$name; busybox ln -s /usr/$name /$name; done;"
SHELL = ("busybox", "/bin/busybox", "sh", "-c")
PATHS = ("-e", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


@pytest.fixture
def engine(platform: Platform) -> Iterator[Engine]:
    if shutil.which("docker") is None:
        pytest.skip("the docker command line is not installed")
    client = Engine(platform.data_dir / "run" / "docker.sock")
    yield client
    if ids := client("ps", "-aq").split():
        client("rm", "-fv", *ids)


def test_container_with_the_socket_drives_the_engine_outside(engine: Engine, platform: Platform) -> None:
    socket = platform.data_dir / "run" / "docker.sock"
    client = Path(shutil.which("docker") or "").resolve()
    outer = ("-v", f"{socket}:/var/run/docker.sock", "-v", f"{client}:/client:ro")
    run = "/client run --rm --name inner --network none busybox echo from a sibling"
    said = engine("run", "--rm", "--network", "none", *outer, *SHELL, f"{run}; /client ps -q")
    assert said.splitlines()[0] == "from a sibling" and len(said.splitlines()) == 2


@pytest.mark.slow
def test_privileged_container_runs_an_engine_and_containers_in_it(engine: Engine) -> None:
    if shutil.which("dockerd") is None:
        pytest.skip("dockerd is not installed: apt-get install docker.io")
    client = Path(shutil.which("docker") or "").resolve()
    inner = "dockerd --bridge=none --iptables=false --storage-driver=vfs >/log 2>&1"
    options = ("--privileged", *HOST, *PATHS, "-v", f"{client}:/client:ro", "-v", "/var/lib/docker")
    engine("run", "-d", "--name", "dind", *options, *SHELL, f"{LINKS} exec {inner}")
    wait_until(lambda: engine.run("exec", "dind", "/client", "version").returncode == 0, "the inner engine answers", 30)
    archive = engine.run("save", "busybox").stdout
    loaded = engine.run("exec", "-i", "dind", "/client", "load", stdin=archive)
    assert loaded.returncode == 0, loaded.stderr
    run = ("exec", "dind", "/client", "run", "--rm", "--network", "none", "busybox", "echo", "two engines deep")
    done = engine.run(*run)
    assert done.stdout == b"two engines deep\n", done.stderr
