"""Debian's dockerd, with folders, socket and bridge of its own, for as long as a test compares with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.platform import wait_until

DOCKERD = "/usr/sbin/dockerd"
BRIDGE = "tourbr0"


@contextmanager
def dockerd(folder: Path, archive: Path) -> Iterator[str]:
    """Its address; the images of `archive` are loaded. Nothing of it is left afterwards."""
    folder.mkdir()
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", "10.198.0.1/24", "dev", BRIDGE)
    host = f"unix://{folder}/docker.sock"
    command = [DOCKERD, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-H", host]
    command += ["--pidfile", f"{folder}/pid", "--bridge", BRIDGE, "--iptables=false", "--ip-masq=false"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        environment = {**os.environ, "DOCKER_HOST": host}

        def answers() -> bool:
            return subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False).returncode == 0

        wait_until(answers, "dockerd", 30)
        subprocess.run(["docker", "load", "-qi", str(archive)], env=environment, capture_output=True, check=True)
        yield host
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        _ip("link", "del", BRIDGE)
        left = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
        assert "DOCKER" in rules or "DOCKER" not in left, "dockerd left rules behind"
        shutil.rmtree(folder)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
