"""Engines that answer the Docker API: Maru's, Debian's dockerd and podman's service, each with folders of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.platform import platform_running

BRIDGE = "benchbr0"
PODMAN_BRIDGE = "cni-podman0"  # of its default network
READY_S = 30.0
_PODMAN_CONFIG = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """name: as it stands in tables; host: for DOCKER_HOST; pids: its processes; holder: what holds a container.

    command: its command line; podman 4 does not know how docker's attaches.
    """

    name: str
    host: str
    pids: Callable[[], Sequence[int]]
    holder: str
    command: Sequence[str] = ("docker",)

    @property
    def socket(self) -> str:
        return self.host.removeprefix("unix://")

    def docker(self, *arguments: str, folder: Path | None = None) -> str:
        """The command line's output. Raises RuntimeError with its words."""
        environment = {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(
            [*self.command, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: docker {' '.join(arguments)}: {done.stderr}")
        return done.stdout


@contextmanager
def maru() -> Iterator[Engine]:
    """A platform; busybox is in it."""
    with platform_running() as platform:
        host = f"unix://{platform.data_dir}/run/docker.sock"
        yield Engine("Maru", host, lambda: list(platform.pids().values()), "conmon")


@contextmanager
def dockerd() -> Iterator[Engine]:
    """Debian's, with its own containerd."""
    folder = Path(tempfile.mkdtemp(prefix="bench-dockerd-"))
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", "10.197.0.1/24", "dev", BRIDGE)
    command = ["/usr/sbin/dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    command += ["-H", f"unix://{folder}/sock", "--pidfile", f"{folder}/pid", "--bridge", BRIDGE]
    with _service(command, folder) as process:
        yield Engine("dockerd", f"unix://{folder}/sock", lambda: _tree(process), "containerd-shim")
    _ip("link", "del", BRIDGE)
    _clear_rules("DOCKER", BRIDGE)


@contextmanager
def podman() -> Iterator[Engine]:
    """Its service, which exits when it is not needed; here it stays.

    With runc, since crun refuses hybrid control groups, and with limits that need no CAP_SYS_RESOURCE.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-podman-"))
    config = folder / "containers.conf"
    config.write_text(_PODMAN_CONFIG)
    command = ["podman", "--root", f"{folder}/data", "--runroot", f"{folder}/run", "system", "service", "-t", "0"]
    command += [f"unix://{folder}/sock"]
    with _service(command, folder, {"CONTAINERS_CONF": str(config)}) as process:
        host = f"unix://{folder}/sock"
        yield Engine("podman", host, lambda: _tree(process), "conmon", ("podman", "--remote", "--url", host))
    subprocess.run(["ip", "link", "del", PODMAN_BRIDGE], capture_output=True, check=False)
    _clear_rules("CNI", PODMAN_BRIDGE)


def installed() -> Sequence[Callable[[], object]]:
    """The peers that this machine has."""
    found: list[Callable[[], object]] = []
    if Path("/usr/sbin/dockerd").exists():
        found.append(dockerd)
    if shutil.which("podman"):
        found.append(podman)
    return found


@contextmanager
def _service(command: Sequence[str], folder: Path, more: Mapping[str, str] | None = None) -> Iterator[int]:
    with (folder / "log").open("wb") as log:
        own = {**os.environ, **(more or {})}
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=own)
    try:
        environment = {**os.environ, "DOCKER_HOST": f"unix://{folder}/sock"}
        give_up_at = time.monotonic() + READY_S
        while subprocess.run(["docker", "version"], env=environment, capture_output=True, check=False).returncode:
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"{command[0]} does not answer: see {folder}/log")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=READY_S)
        _end_holders(folder)
        subprocess.run(["umount", "-R", *map(str, folder.glob("data/overlay"))], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _end_holders(folder: Path) -> None:
    """End what still names the peer's folder: podman's conmon stays for five minutes after each exec."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if os.fsencode(folder) in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def _clear_rules(*marks: str) -> None:
    """Take away the rules and chains of iptables that a peer leaves behind: those that bear one of `marks`."""
    for table in ("filter", "nat"):
        command = ["iptables", "-t", table]
        saved = subprocess.run(["iptables-save", "-t", table], capture_output=True, text=True, check=False).stdout
        ours = [line for line in saved.splitlines() if any(mark in line for mark in marks)]
        chains = [line[1:].split()[0] for line in ours if line.startswith(":")]
        for line in ours:
            if line.startswith("-A "):
                subprocess.run([*command, "-D", *shlex.split(line)[1:]], capture_output=True, check=False)
        for action in ("-F", "-X"):
            for chain in chains:
                subprocess.run([*command, action, chain], capture_output=True, check=False)


def _tree(pid: int) -> Sequence[int]:
    """A process and those below it, without what holds containers."""
    found = [pid]
    for each in found:
        children = Path(f"/proc/{each}/task/{each}/children").read_text().split()
        found += [int(child) for child in children if "shim" not in Path(f"/proc/{child}/comm").read_text()]
    return found


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
