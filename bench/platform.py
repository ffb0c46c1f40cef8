"""A platform of the benchmark's own: in a temporary folder, on ports of its own, removed at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.channel import Channel, Endpoint, encode, endpoint_of

PORT_OFFSET = 3000 + os.getpid() % 400 * 10
CONTROL = "control"
_TICKS = os.sysconf("SC_CLK_TCK")


class Platform:
    """One `maru up`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def maru(self, *arguments: str) -> str:
        """What a command printed. Raises RuntimeError with its words when it fails."""
        command = [sys.executable, "-m", "maru.cli.main", *arguments, "--data-dir", str(self.data_dir)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"maru {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def up(self) -> float:
        """Start; seconds until ready."""
        begun = time.perf_counter()
        self.maru("up", "--port-offset", str(PORT_OFFSET))
        return time.perf_counter() - begun

    def pids(self) -> dict[str, int]:
        """All processes by name, the supervisor with them."""
        workers = msgspec.json.decode(self.maru("status", "-o", "json"))
        pids = {worker["name"]: worker["pid"] for worker in workers}
        stat = Path(f"/proc/{pids[CONTROL]}/stat").read_text().rpartition(")")[2].split()
        return {"supervisor": int(stat[1]), **pids}

    def endpoint(self) -> Endpoint:
        return endpoint_of(self.data_dir / "kubeconfig")

    def namespace(self, name: str) -> str:
        """Make it, answers its name once Pods can be made in it."""
        channel = Channel(self.endpoint())
        value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        channel.ask(encode("POST", "/api/v1/namespaces", value))
        path = f"/api/v1/namespaces/{name}/serviceaccounts"
        while not channel.ask(encode("GET", path)).value()["items"]:
            time.sleep(0.02)
        channel.close()
        return name


@contextmanager
def platform_running() -> Iterator[Platform]:
    """A running platform; nothing of it is left."""
    platform = Platform(Path(tempfile.mkdtemp(prefix="maru-bench-")))
    try:
        platform.up()
        yield platform
    finally:
        platform.maru("reset", "--yes")
        shutil.rmtree(platform.data_dir, ignore_errors=True)


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, in all its threads."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """Memory of a process, its share of what is shared (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))
