"""Servers that answer the AWS API: Maru, moto and ministack, each started fresh with folders of its own.

The peers come from PyPI into an environment in a temporary folder, which is removed at the end.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.aws_line import Account, Line, signed
from bench.platform import PORT_OFFSET, Platform

READY_S = 60.0
PEERS: Mapping[str, tuple[str, Sequence[str]]] = {
    "moto": ("moto[server]", ("moto_server", "-H", "127.0.0.1", "-p")),
    "ministack": ("ministack", ("ministack",)),
}
"""What to install, and the command; ministack takes its port from the environment."""


@dataclass(frozen=True, slots=True)
class Server:
    """account: who signs, and where. start_s: until the first GetCallerIdentity; again_s: of a second start, or 0."""

    name: str
    account: Account
    start_s: float
    again_s: float
    pids: Callable[[], Sequence[int]]


@contextmanager
def maru() -> Iterator[Server]:
    """A platform of the AWS components alone."""
    platform = Platform(Path(tempfile.mkdtemp(prefix="maru-bench-")))
    try:
        first_s, _ = _up(platform)
        platform.maru("down")
        again_s, account = _up(platform)
        yield Server("Maru", account, first_s, again_s, lambda: list(platform.pids().values()))
    finally:
        platform.maru("reset", "--yes")
        shutil.rmtree(platform.data_dir, ignore_errors=True)


@contextmanager
def peer(name: str) -> Iterator[Server]:
    """One of PEERS."""
    package, command = PEERS[name]
    folder = Path(tempfile.mkdtemp(prefix="maru-bench-aws-"))
    try:
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin" / "pip"), "install", "-q", package)
        port = _free_port()
        account = Account("127.0.0.1", port, "test", "test")
        with _running(folder, command, port):
            _first_answer(account, time.perf_counter())  # compiles its modules, as an installed one has them
        begun = time.perf_counter()
        with _running(folder, command, port) as pid:
            yield Server(name, account, _first_answer(account, begun), 0.0, lambda: (pid,))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _up(platform: Platform) -> tuple[float, Account]:
    begun = time.perf_counter()
    platform.maru("up", "--only", "aws", "--port-offset", str(PORT_OFFSET))
    ready_s = time.perf_counter() - begun
    told = msgspec.json.decode(platform.maru("env", "-o", "json"))
    port = int(told["AWS_ENDPOINT_URL"].rpartition(":")[2])
    account = Account("127.0.0.1", port, told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
    return ready_s + _first_answer(account, time.perf_counter()), account


@contextmanager
def _running(folder: Path, command: Sequence[str], port: int) -> Iterator[int]:
    """A peer's process id, until the scope is left."""
    environment = {**os.environ, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": str(folder)}
    words = [str(folder / "bin" / command[0]), *command[1:], *([str(port)] if len(command) > 1 else [])]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(READY_S)


def _first_answer(account: Account, begun: float) -> float:
    request = signed(account, "sts", body=b"Action=GetCallerIdentity&Version=2011-06-15")
    while time.perf_counter() - begun < READY_S:
        with suppress(OSError, RuntimeError):
            Line(account).ask(request)
            return time.perf_counter() - begun
        time.sleep(0.005)
    raise RuntimeError(f"no answer on port {account.port}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
