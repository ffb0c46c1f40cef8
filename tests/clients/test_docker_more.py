"""What few use and some rely on: attach over a WebSocket, ADD and import of an address, df and prune to the byte."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pytest

from tests.clients.platform import Kubectl, Platform, wait_until
from tests.clients.test_docker_containers import NONE, Docker, docker

__all__ = ["docker"]
BIG_BYTES = 1_234_567


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a small server, and its folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


async def test_attach_over_a_websocket(docker: Docker, platform: Platform) -> None:
    docker("create", "-i", "--name", "ws", *NONE, "busybox", "sh", "-c", "read x; echo got $x; echo err >&2")
    socket = aiohttp.UnixConnector(f"{platform.data_dir}/run/docker.sock")
    path = "http://docker/v1.50/containers/ws/attach/ws?stream=1&stdin=1&stdout=1&stderr=1"
    async with aiohttp.ClientSession(connector=socket) as session, session.ws_connect(path) as line:
        docker("start", "ws")
        await line.send_str("hello\n")
        heard = b"".join([message.data async for message in line])
    assert sorted(heard.splitlines()) == [b"err", b"got hello"]


def test_files_of_an_address_are_added_as_they_are(docker: Docker, site: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = site
    (folder / "far").write_text("away")
    docker.environment["DOCKER_BUILDKIT"] = "0"
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nADD {address}/far /x/\nADD --chown=5:6 {address}/far /y\n")
    docker("build", "-q", "-t", "added", str(tmp_path))
    shown = docker("run", "--rm", *NONE, "added", "sh", "-c", "cat /x/far; stat -c ' %a %u %g' /y")
    assert shown == "away 600 5 6"
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nADD {address}/no /x/\n")
    done = docker.run("build", "-q", str(tmp_path))
    assert f"ADD failed: failed to GET {address}/no with status 404" in done.stderr + done.stdout
    docker("rmi", "added")


def test_df_counts_what_prune_frees(docker: Docker, platform: Platform, kubectl36: Kubectl, tmp_path: Path) -> None:
    docker.environment["DOCKER_BUILDKIT"] = "0"
    (tmp_path / "big").write_bytes(b"x" * BIG_BYTES)
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY big /big\n")
    docker("build", "-q", "-t", "kept:1", str(tmp_path))
    docker("build", "-q", "-t", "unused:1", "--label", "a=b", str(tmp_path))
    docker("run", "--name", "wrote", *NONE, "-v", "held:/v", "busybox", "sh", "-c", "echo hello > /out; echo hi > /v/f")
    kubectl36("run", "user", "--image", "kept:1", "--image-pull-policy", "Never", "--", "sleep", "600")
    kubectl36("wait", "--for=condition=Ready", "pod/user", "--timeout=30s")
    shown = {each["Type"]: each for each in map(json.loads, docker("system", "df", "--format", "json").splitlines())}
    assert (shown["Containers"]["Size"], shown["Local Volumes"]["Size"]) == ("6B", "3B")
    assert docker("volume", "prune", "-af").endswith("reclaimed space: 0B")  # a container has it
    assert docker("container", "prune", "-f").endswith("reclaimed space: 6B")
    assert docker("volume", "prune", "-af").endswith("reclaimed space: 3B")
    # The unused image shares its big layer with the one that a Pod runs.
    assert docker("image", "prune", "-af", "--filter", "label=a=b").endswith("reclaimed space: 0B")
    assert docker("run", "--rm", *NONE, "kept:1", "stat", "-c", "%s", "/big") == str(BIG_BYTES)
    kubectl36("delete", "pod", "user", "--grace-period=0", "--force")
    docker("image", "inspect", "kept:1")
    wait_until(lambda: docker.run("rmi", "kept:1").returncode == 0, "the image may go once the Pod has gone", 20)
