"""A running platform for tests, and the real clients that drive it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
BINARIES = ROOT / "tests" / "clients" / "node_modules" / ".bin-kubectl"
VERSIONS = ("v30", "v33", "v36")
WAIT_S = 60.0


def port_offset(number: int) -> int:
    """Of one of the platforms (0..3) that stand side by side; all ports lie below those the kernel gives to clients."""
    return 11000 + number * 2110 + os.getpid() % 100 * 10


@dataclass(frozen=True)
class Platform:
    """One `maru up`, in a folder and on ports of its own."""

    data_dir: Path
    port_offset: int

    def maru(self, *arguments: str, timeout_s: float = 120.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "maru.cli.main", *arguments, "--data-dir", str(self.data_dir)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"maru {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def up(self) -> None:
        self.maru("up", "--port-offset", str(self.port_offset))

    def down(self) -> None:
        self.maru("down")

    def workers(self) -> dict[str, int]:
        """The pid of each worker process."""
        status = msgspec.json.decode(self.maru("status", "-o", "json", check=False).stdout)
        return {worker["name"]: worker["pid"] for worker in status}

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "kubeconfig"

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{6443 + self.port_offset}"


@dataclass(frozen=True)
class Kubectl:
    """One kubectl binary, in one namespace."""

    platform: Platform
    version: str
    namespace: str

    def command(self, *arguments: str) -> list[str]:
        binary = BINARIES / self.version / "kubectl"
        return [str(binary), "--kubeconfig", str(self.platform.kubeconfig), "-n", self.namespace, *arguments]

    def run(
        self, *arguments: str, stdin: str | bytes | None = None, check: bool = True, timeout_s: float = WAIT_S
    ) -> subprocess.CompletedProcess[str]:
        sent = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self.command(*arguments),
            input=sent,
            stdin=subprocess.DEVNULL if sent is None else None,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={
                **os.environ,
                "HOME": str(self.platform.data_dir),
                "KUBECACHEDIR": str(self.platform.data_dir / "cache"),
            },
        )
        result = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {result.stdout}{result.stderr}")
        return result

    def __call__(self, *arguments: str, stdin: str | bytes | None = None, timeout_s: float = WAIT_S) -> str:
        """Standard output; a failure fails the test with what kubectl said."""
        return self.run(*arguments, stdin=stdin, timeout_s=timeout_s).stdout

    def fails(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard error of a command that must fail."""
        done = self.run(*arguments, stdin=stdin, check=False)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} did not fail: {done.stdout}"
        return done.stderr

    def json(self, *arguments: str) -> Any:
        return msgspec.json.decode(self(*arguments, "-o", "json"))

    def apply(self, manifest: str, *arguments: str) -> str:
        return self("apply", *arguments, "-f", "-", stdin=manifest)


def wait_until(claim: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    """Ask again until `claim` is true; fails the test with `what` and the last answer."""
    give_up_at = time.monotonic() + timeout_s
    while not (seen := claim()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{what}: not within {timeout_s} s, last {seen!r}")
        time.sleep(0.05)
