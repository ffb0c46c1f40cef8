"""The docker command line and the docker SDK for Python against a running platform.

What is compared is what people and programs read: output, exit codes, error texts.
"""

from __future__ import annotations

import io
import os
import pty
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.platform import Platform, wait_until

sdk = pytest.importorskip("docker") if shutil.which("docker") is None else None
NONE = ("--network", "none")


class Docker:
    """The command line, on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{platform.data_dir}/run/docker.sock"}

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self.environment,
        )

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture
def docker(platform: Platform) -> Iterator[Docker]:
    if shutil.which("docker") is None:
        pytest.skip("the docker command line is not installed")
    client = Docker(platform)
    yield client
    ids = client("ps", "-aq").split()
    if ids:
        client("rm", "-fv", *ids)


def test_run_gives_output_and_exit_codes(docker: Docker) -> None:
    done = docker.run("run", "--rm", *NONE, "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    assert docker("run", "--rm", "-i", *NONE, "busybox", "cat", stdin="piped") == "piped"
    for command, code in (("nosuch", 127), ("/etc/passwd", 126)):
        done = docker.run("run", "--rm", *NONE, "busybox", command)
        assert done.returncode == code, done.stderr
        assert "failed to create task for container" in done.stderr
    assert docker.run("run", "--rm", "--memory", "1k", "busybox", "true").returncode == 125
    assert docker("ps", "-aq") == ""


def test_published_port_name_and_files_of_a_container(docker: Docker) -> None:
    docker(
        "run",
        "-d",
        "--name",
        "web",
        "-p",
        "127.0.0.1:0:80",
        "--hostname",
        "web.local",
        "busybox",
        "httpd",
        "-f",
        "-h",
        "/etc",
    )
    port = docker("port", "web", "80/tcp").rpartition(":")[2]
    got = docker("run", "--rm", "--network", "host", "busybox", "wget", "-qO-", f"http://127.0.0.1:{port}/hostname")
    assert got == "web.local"
    docker("cp", "web:/etc/hostname", "-")
    assert docker("exec", "-e", "A=b", "-w", "/tmp", "web", "sh", "-c", "echo $A $PWD") == "b /tmp"
    assert docker.run("exec", "web", "sh", "-c", "exit 5").returncode == 5
    docker("exec", "web", "touch", "/made")
    assert "A /made" in docker("diff", "web").splitlines()
    docker("commit", "-c", 'CMD ["ls", "/made"]', "web", "made:1")
    assert docker("run", "--rm", *NONE, "made:1") == "/made"
    docker("rmi", "made:1")
    assert "httpd" in docker("top", "web")
    assert docker("stats", "--no-stream", "--format", "{{.PIDs}}", "web") == "1"
    docker("stop", "-t", "0", "web")
    assert docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "web") == "exited 137"


def test_terminal_is_left_and_found_again(docker: Docker) -> None:
    docker("run", "-dit", "--name", "term", *NONE, "busybox", "sh")
    for line, keys, code in ((b"echo one\n", b"\x10\x11", 1), (b"echo two\n", b"exit 4\n", 4)):
        ours, theirs = pty.openpty()
        attached = subprocess.Popen(
            ["docker", "attach", "term"], stdin=theirs, stdout=theirs, stderr=theirs, env=docker.environment
        )
        os.close(theirs)
        os.write(ours, line)
        # What the shell answers comes once the terminal is raw: only then are the keys not its own.
        seen = b""
        while b"\n" + line[5:-1] + b"\r" not in seen:
            seen += os.read(ours, 1024)
        os.write(ours, keys)
        assert attached.wait(timeout=20) == code
        os.close(ours)
    assert "one" in docker("logs", "term")


def test_logs_are_chosen_and_followed_to_the_end(docker: Docker) -> None:
    docker("run", "-d", "--name", "talk", *NONE, "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    assert docker("logs", "-f", "talk") == "1\n2\n3"
    assert docker("logs", "--tail", "1", "talk") == "3"
    assert docker("logs", "--until", "1h", "talk") == ""
    (line,) = docker("logs", "-t", "--tail", "1", "talk").splitlines()
    assert line.endswith("Z 3")


def test_health_restart_policy_and_init(docker: Docker) -> None:
    check = ("--health-cmd", "test -f /ok", "--health-interval", "100ms", "--health-retries", "1")
    docker("run", "-d", "--name", "sick", *NONE, *check, "busybox", "sleep", "600")
    docker("run", "-d", "--name", "again", *NONE, "--restart", "on-failure:1", "busybox", "false")
    wait_until(lambda: docker("ps", "-q", "--filter", "health=unhealthy"), "an unhealthy container", 20)
    docker("exec", "sick", "touch", "/ok")
    wait_until(lambda: docker("ps", "-q", "--filter", "health=healthy"), "a healthy container", 20)
    restarted = ("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "again")
    wait_until(lambda: docker(*restarted) == "1 exited", "one restart", 20)


def test_volumes_are_filled_from_the_image_and_shared(docker: Docker) -> None:
    docker("volume", "create", "--label", "a=b", "vol1")
    assert "passwd" in docker("run", "--rm", *NONE, "-v", "vol1:/etc", "busybox", "ls", "/etc")
    assert "root" in docker("run", "--rm", *NONE, "-v", "vol1:/x:ro", "busybox", "cat", "/x/passwd")
    done = docker.run("run", "--rm", *NONE, "-v", "vol1:/x:ro", "busybox", "touch", "/x/no")
    assert "Read-only file system" in done.stderr
    assert docker("volume", "ls", "-q", "--filter", "label=a=b") == "vol1"
    docker("volume", "rm", "vol1")


def test_what_a_container_may_not_do(docker: Docker) -> None:
    shown = docker("run", "--rm", *NONE, "busybox", "grep", "-E", "CapBnd|Seccomp:", "/proc/self/status")
    assert shown.split() == ["CapBnd:", "00000000a80425fb", "Seccomp:", "2"]
    escapes = "mount -t tmpfs x /mnt || unshare -U true || echo b > /proc/sysrq-trigger || (mknod /b b 8 0; cat /b)"
    assert docker.run("run", "--rm", *NONE, "busybox", "sh", "-c", escapes).returncode != 0


def test_containers_outlive_the_platforms_processes(docker: Docker, platform: Platform) -> None:
    docker(
        "run",
        "-d",
        "--name",
        "count",
        *NONE,
        "busybox",
        "sh",
        "-c",
        "for i in $(seq 60); do echo $i; sleep 0.05; done; exit 9",
    )
    before = platform.workers()["node"]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: platform.workers().get("node") not in (0, before, None), "another node worker", 30)
    wait_until(lambda: docker.run("ps").returncode == 0, "the API again", 30)
    assert docker("wait", "count") == "9"
    assert docker("logs", "count").split() == [str(number) for number in range(1, 61)]


def test_sdk_runs_attaches_copies_and_hears_events(platform: Platform) -> None:
    module: Any = sdk or pytest.importorskip("docker")
    client = module.DockerClient(base_url=f"unix://{platform.data_dir}/run/docker.sock")
    try:
        assert client.containers.run("busybox", "echo hi", network_mode="none", remove=True) == b"hi\n"
        with pytest.raises(module.errors.ContainerError):
            client.containers.run("busybox", "false", network_mode="none", remove=True)
        container = client.containers.run("busybox", "sleep 600", network_mode="none", detach=True, labels={"k": "v"})
        assert container.exec_run("sh -c 'echo o; echo e >&2; exit 3'", demux=True) == (3, (b"o\n", b"e\n"))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            entry = tarfile.TarInfo("f")
            entry.size = 2
            tar.addfile(entry, io.BytesIO(b"hi"))
        assert container.put_archive("/tmp", buffer.getvalue())
        assert container.get_archive("/tmp/f")[1]["size"] == 2
        assert [each.id for each in client.containers.list(filters={"label": "k=v"})] == [container.id]
        heard = client.events(since=1, filters={"container": container.id, "event": "die"}, decode=True)
        container.remove(force=True)
        assert next(heard)["Actor"]["Attributes"]["exitCode"] == "137"
        heard.close()
    finally:
        client.close()
