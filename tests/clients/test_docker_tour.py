"""The tour of the docker command line: what it prints and does here is what it does with Debian's dockerd.

What dockerd said is recorded, since it takes its time. MARU_TOUR=live asks it anew on this machine, and
MARU_TOUR=record writes down what it says.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from tests.clients.docker.peer import DOCKERD, dockerd
from tests.clients.docker.tour import taken
from tests.clients.platform import ROOT, Platform
from tests.clients.test_docker_containers import Docker, docker

__all__ = ["docker"]
GOLDEN = ROOT / "tests" / "golden" / "docker" / "tour" / "dockerd.json"
MODE = os.environ.get("MARU_TOUR", "")
Said = list[tuple[str, str, int]]


def test_every_step_is_as_with_dockerd(platform: Platform, docker: Docker, tmp_path: Path) -> None:
    archive = tmp_path / "busybox.tar"
    docker("save", "-o", str(archive), "busybox:latest")
    ours = list(taken(docker.environment["DOCKER_HOST"], tmp_path / "ours", {"HOME": str(tmp_path)}))
    theirs = _live(archive, tmp_path) if MODE else msgspec.json.decode(GOLDEN.read_bytes(), type=Said)
    if MODE == "record":
        GOLDEN.write_bytes(msgspec.json.format(msgspec.json.encode(theirs), indent=1) + b"\n")
    assert [line for line, _, _ in ours] == [line for line, _, _ in theirs], "record it anew: MARU_TOUR=record"
    differing = [f"{a}\n--- dockerd\n+++ here {b}" for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not differing, "\n".join(differing)


def _live(archive: Path, folder: Path) -> Said:
    if not Path(DOCKERD).exists():
        pytest.skip("Debian's docker.io is not installed")
    with dockerd(Path(f"/tmp/maru-tour-{os.getpid()}"), archive) as host:  # socket paths are short
        return list(taken(host, folder / "theirs", {"HOME": str(folder)}))
