"""podman --remote and podman-py against a running platform: one engine, podman's words.

Its own integration suite is run outside of this repository; what it looks at is looked at here, more narrowly.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.platform import Platform, wait_until

sdk: Any = pytest.importorskip("podman")
IMAGE = "docker.io/library/busybox:latest"
NONE = ("--network", "none")


class Podman:
    """The command line, on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.socket = f"unix://{platform.data_dir}/run/podman.sock"
        self.environment = {**os.environ, "CONTAINER_HOST": self.socket}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["podman", "--remote", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=self.environment)

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture
def podman(platform: Platform) -> Iterator[Podman]:
    if shutil.which("podman") is None:
        pytest.skip("the podman command line is not installed")
    client = Podman(platform)
    yield client
    client("pod", "rm", "--all", "--force")
    client("rm", "--all", "--force", "--time", "0")
    client("secret", "rm", "--all")


@pytest.fixture
def client(platform: Platform) -> Iterator[Any]:
    with sdk.PodmanClient(base_url=f"unix://{platform.data_dir}/run/podman.sock") as opened:
        yield opened
        for pod in opened.pods.list():
            pod.remove(force=True)
        for container in opened.containers.list(all=True):
            container.remove(force=True, v=True)


def test_run_exec_logs_and_copies_do_what_they_say(podman: Podman, tmp_path: Path) -> None:
    assert podman("run", "--rm", *NONE, IMAGE, "echo", "hi") == "hi"
    assert podman.run("run", "--rm", *NONE, IMAGE, "sh", "-c", "exit 3").returncode == 3
    podman("run", "-d", "--name", "one", *NONE, IMAGE, "sh", "-c", "echo up; sleep 600")
    wait_until(lambda: podman("logs", "one") == "up", "its first line is in the log", 10)
    assert podman.run("exec", "one", "sh", "-c", "exit 4").returncode == 4
    file, back = tmp_path / "note", tmp_path / "back"
    file.write_text("here\n")
    podman("cp", str(file), "one:/tmp/note")
    assert podman("exec", "one", "cat", "/tmp/note") == "here"
    podman("cp", "one:/tmp/note", str(back))
    assert back.read_text() == "here\n"
    assert podman("ps", "--format", "{{.Names}} {{.State}}").startswith("one Up ")
    podman("stop", "--time", "0", "one")
    assert podman("wait", "one") == "137"
    missing = podman.run("inspect", "--type", "container", "nobody")
    assert (missing.returncode, "no such container" in missing.stderr) == (125, True)


def test_containers_of_a_pod_reach_each_other_and_are_published_together(podman: Podman) -> None:
    podman("pod", "create", "--name", "shop", "--share", "net,ipc,uts,pid")
    serve = "mkdir -p /w; echo from the pod > /w/index.html; httpd -f -p 80 -h /w"
    podman("run", "-d", "--pod", "shop", "--name", "web", IMAGE, "sh", "-c", serve)
    ask = ("exec", "peer", "wget", "-qO-", "http://127.0.0.1/")
    podman("run", "-d", "--pod", "shop", "--name", "peer", IMAGE, "sleep", "600")
    wait_until(lambda: podman.run(*ask).returncode == 0, "the peer answers", 10)
    assert podman(*ask) == "from the pod"
    for kind in ("net", "ipc", "uts", "pid"):
        links = {podman("exec", name, "readlink", f"/proc/self/ns/{kind}") for name in ("web", "peer")}
        assert len(links) == 1, kind
    mounts = {podman("exec", name, "readlink", "/proc/self/ns/mnt") for name in ("web", "peer")}
    assert len(mounts) == 2
    assert podman("exec", "peer", "hostname") == "shop"
    assert podman("pod", "ps", "--format", "{{.Name}} {{.Status}} {{.NumberOfContainers}}") == "shop Running 3"
    podman("pod", "stop", "--time", "0", "shop")
    assert podman("pod", "ps", "--format", "{{.Status}}") == "Exited"
    podman("pod", "rm", "--force", "shop")
    assert podman("ps", "--all", "--quiet") == ""


def test_a_secret_reaches_the_container_as_a_file_and_as_a_variable(podman: Podman, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")
    podman("secret", "create", "tok", str(file))
    given = ("--secret", "tok,mode=0400", "--secret", "tok,type=env,target=TOK")
    said = podman("run", "--rm", *NONE, *given, IMAGE, "sh", "-c", "cat /run/secrets/tok; echo; echo $TOK")
    assert said.splitlines() == ["hunter2", "hunter2"]


def test_a_build_sees_its_secret_and_the_image_has_no_trace_of_it(podman: Podman, tmp_path: Path) -> None:
    steps = ["FROM busybox", "RUN --mount=type=secret,id=tok cat /run/secrets/tok > /seen"]
    (tmp_path / "Containerfile").write_text("\n".join(steps))
    (tmp_path / "token").write_text("hunter2")
    podman("build", "--secret", f"id=tok,src={tmp_path / 'token'}", "-t", "with-secret", str(tmp_path))
    look = "cat /seen; echo; ls /run/secrets"
    said = podman.run("run", "--rm", *NONE, "with-secret", "sh", "-c", look)
    podman("rmi", "with-secret")
    assert (said.stdout.splitlines(), "No such file or directory" in said.stderr) == (["hunter2"], True)


def test_podman_py_makes_runs_and_removes_containers(client: Any) -> None:
    assert client.ping()
    assert client.version()["Components"][0]["Details"]["APIVersion"] == "5.5.2"
    image = client.images.get(IMAGE)
    container = client.containers.create(image, ["top"], name="two", network_mode="none", ports={"80/tcp": 8080})
    assert container.attrs["NetworkSettings"]["Ports"]["80/tcp"] == [{"HostIp": "", "HostPort": "8080"}]
    container.init()
    container.reload()
    assert container.status == "initialized"
    container.start()
    container.wait(condition="running")
    assert container.exec_run("echo hello") == (0, b"\x01\x00\x00\x00\x00\x00\x00\x06hello\n")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"), io.BytesIO())
    assert container.put_archive("/tmp", buffer.getvalue())
    assert b"empty" in container.exec_run("ls /tmp")[1]
    assert container.top()["Processes"][0][-1] == "top"
    container.stop(timeout=0)
    assert container.id in client.containers.prune()["ContainersDeleted"]
    with pytest.raises(sdk.errors.NotFound):
        client.containers.get(container.id)


def test_podman_py_keeps_images_and_manifest_lists_by_their_full_names(client: Any) -> None:
    image = client.images.get("busybox")
    assert image.tag("shop/app", "1")
    assert "localhost/shop/app:1" in client.images.get("shop/app:1").tags
    manifest = client.manifests.create("localhost/shop/all", ["localhost/shop/app:1"])
    assert len(manifest.attrs["manifests"]) == 1
    manifest.remove(image.attrs["RepoDigests"][0])
    assert manifest.attrs["manifests"] == []
    client.images.remove("localhost/shop/all")
    assert not client.manifests.exists("localhost/shop/all")
    client.images.remove("localhost/shop/app:1")
    built, _ = client.images.build(fileobj=io.StringIO("FROM busybox\nLABEL a=b"), tag="made")
    assert built.attrs["RepoTags"] == ["localhost/made:latest"]
    assert built.labels == {"a": "b"}
    client.images.remove("made", force=True)


def test_podman_py_moves_volumes_and_networks(client: Any) -> None:
    volume = client.volumes.create("pv-one")
    client.containers.run(
        IMAGE, ["sh", "-c", "echo kept > /d/file"], volumes={"pv-one": {"bind": "/d"}}, network_mode="none", remove=True
    )
    archive = client.volumes.export_archive("pv-one")
    volume.remove()
    client.volumes.create("pv-two")
    client.volumes.import_archive("pv-two", archive)
    said = client.containers.run(
        IMAGE, ["cat", "/d/file"], volumes={"pv-two": {"bind": "/d"}}, network_mode="none", remove=True
    )
    assert said == b"kept\n"
    client.volumes.remove("pv-two")
    network = client.networks.create("pv-net", labels={"a": "b"})
    assert client.networks.exists("pv-net")
    network.remove()
    assert not client.networks.exists("pv-net")
