"""docker network and docker run -p, as the command line of Docker 28 drives them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients.platform import Kubectl, Platform, wait_until

SERVE = "mkdir /w; hostname > /w/index.html; exec httpd -f -p 80 -h /w"
ANSWER_S = 3.0


@dataclass(frozen=True)
class Docker:
    """The docker command against one platform."""

    platform: Platform

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever it answers."""
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.platform.data_dir}/run/docker.sock"}
        command = ["docker", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)

    def __call__(self, *arguments: str) -> str:
        """What it prints. Raises AssertionError when it fails."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def inspect(self, kind: str, name: str) -> Any:
        return json.loads(self(kind, "inspect", name))[0]

    def serve(self, name: str, *options: str) -> None:
        """A container that answers its host name at port 80."""
        self("run", "-d", "--name", name, "--hostname", f"host-{name}", *options, "busybox", "sh", "-c", SERVE)

    def ask(self, name: str, url: str) -> str:
        """What a container is answered; "" for nothing."""
        return self.run("exec", name, "timeout", "1", "wget", "-qO-", url).stdout.strip()


@pytest.fixture
def docker(platform: Platform) -> Iterator[Docker]:
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not installed")
    command = Docker(platform)
    yield command
    for name in command("ps", "-aq").split():
        command("rm", "-f", name)
    command("network", "prune", "-f")


def fetch(place: str) -> str:
    """What is answered there. Raises OSError."""
    with urllib.request.urlopen(f"http://{place}/", timeout=ANSWER_S) as answer:
        return str(answer.read().decode().strip())


def answers(wanted: str, ask: Callable[..., str], *place: str) -> None:
    """Wait for the answer: a server takes a moment to listen."""

    def claim() -> bool:
        try:
            return ask(*place) == wanted
        except OSError:
            return False

    wait_until(claim, f"{wanted} at {' '.join(place)}", 10.0)


def test_containers_find_each_other_by_name_on_their_network_alone(docker: Docker) -> None:
    docker("network", "create", "--label", "a=b", "shop")
    docker("network", "create", "--internal", "vault")
    docker.serve("web", "--network", "shop", "--network-alias", "www")
    docker("run", "-d", "--name", "asker", "--network", "shop", "--link", "web:peer", "busybox", "sleep", "100")
    docker.serve("apart", "--network", "vault")
    for name in ("web", "www", "peer", "web.shop", "host-web"):
        answers("host-web", docker.ask, "asker", f"http://{name}/")
    apart = docker.inspect("container", "apart")["NetworkSettings"]["Networks"]["vault"]
    assert apart["Gateway"] == ""
    assert docker.ask("asker", f"http://{apart['IPAddress']}/") == ""
    docker("network", "connect", "vault", "asker")
    assert docker.ask("asker", "http://safe/") == ""
    docker("network", "connect", "--alias", "safe", "vault", "web")
    assert docker.ask("asker", "http://safe/") == "host-web"
    docker("network", "disconnect", "vault", "asker")
    assert docker.ask("asker", "http://safe/") == ""
    assert sorted(each["Name"] for each in docker.inspect("network", "shop")["Containers"].values()) == ["asker", "web"]
    refused = docker.run("network", "rm", "shop")
    assert "has active endpoints" in refused.stderr


def test_static_addresses_and_ipv6_are_as_asked(docker: Docker) -> None:
    ranges = ["--ipv6", "--subnet", "10.99.0.0/24", "--gateway", "10.99.0.254", "--subnet", "fd99::/64"]
    docker("network", "create", *ranges, "fixed")
    wanted = ["--ip", "10.99.0.80", "--ip6", "fd99::80", "--mac-address", "02:42:00:00:00:80"]
    docker.serve("web", "--network", "fixed", *wanted)
    have = docker.inspect("container", "web")["NetworkSettings"]["Networks"]["fixed"]
    assert (have["IPAddress"], have["GlobalIPv6Address"]) == ("10.99.0.80", "fd99::80")
    assert (have["MacAddress"], have["Gateway"]) == ("02:42:00:00:00:80", "10.99.0.254")
    assert "10.99.0.80/24" in docker("exec", "web", "ip", "addr")
    assert "via 10.99.0.254" in docker("exec", "web", "ip", "route")
    assert docker("run", "--rm", "--network", "fixed", "busybox", "wget", "-qO-", "http://[fd99::80]/") == "host-web"
    taken = docker.run("run", "--rm", "--network", "fixed", "--ip", "10.99.0.80", "busybox", "true")
    assert "Address already in use" in taken.stderr


def test_published_ports_answer_and_a_taken_one_is_refused(docker: Docker, platform: Platform) -> None:
    docker.serve("web", "-p", "80", "-p", "127.0.0.1:18731:80")
    free = docker("port", "web", "80/tcp").splitlines()
    for place in ("127.0.0.1:18731", *(each.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]") for each in free)):
        answers("host-web", fetch, place)
    refused = docker.run("run", "--rm", "-p", "127.0.0.1:18731:80", "busybox", "true")
    assert "port is already allocated" in refused.stderr
    platform.maru("restart")
    assert fetch("127.0.0.1:18731") == "host-web"
    docker("stop", "-t", "0", "web")
    with pytest.raises(OSError):
        fetch("127.0.0.1:18731")
    docker("start", "web")
    answers("host-web", fetch, "127.0.0.1:18731")


def test_networks_are_documents(docker: Docker, kubectl36: Kubectl) -> None:
    manifest = {
        "apiVersion": "engine.maru.dev/v1",
        "kind": "Network",
        "metadata": {"name": "applied"},
        "spec": {"internal": True, "pools": [{"subnet": "10.98.0.0/24"}]},
    }
    kubectl36.apply(json.dumps(manifest))
    wait_until(lambda: docker("network", "ls", "-q", "-f", "name=^applied$"), "a network that was applied")
    assert docker.inspect("network", "applied")["IPAM"]["Config"] == [
        {"Subnet": "10.98.0.0/24", "Gateway": "10.98.0.1"}
    ]
    docker("network", "create", "made")
    wait_until(lambda: "made" in kubectl36("get", "networks.engine.maru.dev"), "the document of a network")
    docker("network", "rm", "made")
    kubectl36("delete", "networks.engine.maru.dev", "applied", "--timeout=20s")
    assert docker("network", "ls", "-q", "-f", "type=custom") == ""
