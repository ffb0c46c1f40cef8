"""The runtimes side by side: how long a container takes, what it holds in memory, whose kernel it has."""

from __future__ import annotations

import os
import platform as machine
import subprocess
import time
from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from bench.platform import platform_running
from bench.report import Say, Table

RUNS = 5
Docker = Callable[..., str]


def measure(say: Say) -> Sequence[Table]:
    table = Table("Runtimes (busybox, no network)")
    with platform_running() as platform:
        environment = {**os.environ, "DOCKER_HOST": f"unix://{platform.data_dir}/run/docker.sock"}

        def docker(*arguments: str) -> str:
            done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, env=environment)
            return done.stdout.strip()

        names = set(msgspec.json.decode(docker("info", "-f", "{{json .Runtimes}}"))) & {"crun", "runc", "vm"}
        for runtime in sorted(names):
            say(runtime)
            _add(table, runtime, docker)
    return [table]


def _add(table: Table, runtime: str, docker: Docker) -> None:
    choice = ("--network", "none", "--runtime", runtime, "busybox")
    kernel = docker("run", "--rm", *choice, "uname", "-r")
    run_s = _timed(docker, "run", "--rm", *choice, "true")
    name = docker("run", "-d", *choice, "sleep", "600")
    exec_s = _timed(docker, "exec", name, "true")
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name).partition(" ")[0]
    table.add(f"{runtime}: run --rm true", f"{run_s * 1000:.0f} ms", "")
    table.add(f"{runtime}: exec true", f"{exec_s * 1000:.0f} ms", "")
    table.add(f"{runtime}: memory of an idle container", used, "")
    table.add(f"{runtime}: kernel", "shared" if kernel == machine.release() else f"its own ({kernel})", "")
    docker("rm", "-f", name)


def _timed(docker: Docker, *arguments: str) -> float:
    """Seconds, the middle of RUNS."""
    took = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        docker(*arguments)
        took.append(time.perf_counter() - begun)
    return median(took)
