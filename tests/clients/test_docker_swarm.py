"""docker swarm, service, stack, secret, config and node, as the command line of Docker 28 drives them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.clients.platform import Kubectl, Platform, wait_until

SERVE = "mkdir -p /w; echo $HOSTNAME > /w/index.html; exec httpd -f -p 80 -h /w"
ANSWER_S = 3.0
TASKS = ("--filter", "label=com.docker.swarm.task")
STACK = """
services:
  web:
    image: busybox:latest
    command: sh -c '{serve}'
    init: true
    hostname: "{{{{.Service.Name}}}}-{{{{.Task.Slot}}}}"
    ports: ["{port}:80"]
    networks: [front]
    secrets: [token]
    configs: [{{source: conf, target: /etc/app.conf, mode: 0440}}]
    healthcheck: {{test: ["CMD", "wget", "-qO-", "http://127.0.0.1/"], interval: 500ms, timeout: 1s, retries: 5}}
    deploy:
      replicas: 3
      update_config: {{parallelism: 1, order: start-first, failure_action: rollback, monitor: 500ms}}
      rollback_config: {{parallelism: 0, monitor: 100ms}}
      restart_policy: {{condition: on-failure, delay: 100ms}}
  client:
    image: busybox:latest
    command: sleep 1000
    init: true
    networks: [front]
    deploy: {{mode: global, endpoint_mode: dnsrr}}
networks: {{front: {{driver: overlay}}}}
secrets: {{token: {{file: ./token}}}}
configs: {{conf: {{file: ./conf}}}}
"""


@dataclass(frozen=True)
class Swarm:
    """The docker command against a platform that is in a swarm."""

    platform: Platform

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run it, whatever it answers."""
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.platform.data_dir}/run/docker.sock"}
        command = ["docker", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=environment, check=False, input=stdin
        )

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What it prints. Raises AssertionError when it fails."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def service(self, name: str, *words: str, command: str = "sleep 1000") -> None:
        self("service", "create", "-d", "--name", name, "--init", *words, "busybox:latest", "sh", "-c", command)

    def running(self, name: str) -> list[str]:
        """Names of the tasks of a service that run and shall run."""
        rows = self(
            "service", "ps", name, "--filter", "desired-state=running", "--format", "{{.Name}} {{.CurrentState}}"
        )
        return sorted(row.split()[0] for row in rows.splitlines() if row.split()[1] == "Running")

    def runs(self, name: str, count: int) -> None:
        wait_until(lambda: len(self.running(name)) == count, f"{count} tasks of {name}")

    def container(self, name: str) -> str:
        return self("ps", "-q", "--filter", f"name={name}.").split()[0]

    def inspect(self, kind: str, name: str) -> Any:
        return json.loads(self(kind, "inspect", name))[0]


def answers(port: int, count: int) -> set[str]:
    """What a port of the machine says, asked so many times; "nothing" stands for no answer."""
    return {answer(port) for _ in range(count)}


def answer(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=ANSWER_S) as said:
            text: str = said.read().decode().strip()
            return text
    except (OSError, HTTPException):
        return "nothing"


@pytest.fixture
def swarm(platform: Platform) -> Iterator[Swarm]:
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not installed")
    command = Swarm(platform)
    command("swarm", "init", "--advertise-addr", "127.0.0.1")
    yield command
    command("swarm", "leave", "--force")
    assert command("ps", "-aq", *TASKS) == ""
    assert "overlay" not in command("network", "ls")


def test_a_stack_is_deployed_scaled_updated_rolled_back_and_removed(swarm: Swarm, tmp_path: Path) -> None:
    port = swarm.platform.port_offset + 8090
    compose = tmp_path / "stack.yml"
    compose.write_text(STACK.format(serve=SERVE.replace("$", "$$"), port=port))
    (tmp_path / "token").write_text("sesame")
    (tmp_path / "conf").write_text("a=b")
    swarm("stack", "deploy", "--detach=true", "-c", str(compose), "shop")
    swarm.runs("shop_web", 3)
    swarm.runs("shop_client", 1)
    swarm("service", "scale", "-d", "shop_web=5")
    swarm.runs("shop_web", 5)
    assert "5/5" in swarm("stack", "services", "shop")
    names = {f"shop_web-{slot}" for slot in range(1, 6)}
    wait_until(lambda: answers(port, 40) == names, "the routing mesh reaches every task")
    client, web = swarm.container("shop_client"), swarm.container("shop_web.1")
    seen = swarm("exec", client, "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do wget -qO- http://web/; done")
    assert len(set(seen.split())) > 1, "the service's one address leads to its tasks in turn"
    assert swarm("exec", client, "nslookup", "tasks.web").count("Address: ") == 5
    assert swarm("exec", web, "cat", "/run/secrets/token") == "sesame"
    assert "tmpfs on /run/secrets/token" in swarm("exec", web, "mount")
    assert swarm("exec", web, "stat", "-c", "%a", "/etc/app.conf") == "440"
    swarm("service", "update", "-d", "--args", "sh -c 'exit 3'", "shop_web")

    def rolled_back() -> bool:
        assert answers(port, 1) <= names
        return (swarm.inspect("service", "shop_web").get("UpdateStatus") or {}).get("State") == "rollback_completed"

    wait_until(rolled_back, "the update that fails is rolled back, and the port answers all the while")
    assert any("non-zero exit (3)" in row for row in swarm("stack", "ps", "--no-trunc", "shop").splitlines())
    swarm("stack", "rm", "shop")
    wait_until(lambda: not swarm("ps", "-aq", *TASKS), "all containers are gone")


def test_services_of_every_mode_run_and_say_how_they_do(swarm: Swarm, kubectl36: Kubectl) -> None:
    swarm.service("every", "--mode", "global")
    swarm("service", "create", "-d", "--name", "job", "--mode", "replicated-job", "--replicas", "3", "--max-concurrent",
          "2", "busybox:latest", "echo", "done by {{.Task.Slot}}")  # fmt: skip
    swarm.service("picky", "--constraint", "node.labels.disk==ssd")
    swarm.service("failing", "--restart-max-attempts", "1", "--restart-delay", "100ms", command="exit 4")
    swarm.service("sick", "--health-cmd", "false", "--health-interval", "200ms", "--health-retries", "1",
                  "--restart-condition", "none", "--stop-grace-period", "1s")  # fmt: skip
    swarm.runs("every", 1)
    wait_until(lambda: "3/3 completed" in swarm("service", "ls"), "the job is done")
    assert swarm("service", "logs", "--raw", "job").count("done by") == 3
    wait_until(
        lambda: swarm("service", "ps", "failing").count("task: non-zero exit (4)") == 2,
        "it is tried once more and no more",
    )
    wait_until(lambda: "unhealthy container" in swarm("service", "ps", "--no-trunc", "sick"), "a sick task fails")
    assert "no suitable node (scheduling constraints" in swarm("service", "ps", "--no-trunc", "picky")
    swarm("node", "update", "--label-add", "disk=ssd", "self")
    swarm.runs("picky", 1)
    swarm("node", "update", "--availability", "drain", "self")
    wait_until(lambda: not swarm.running("picky"), "a drained node is empty")
    swarm("node", "update", "--availability", "active", "self")
    swarm.runs("picky", 1)
    rows = kubectl36("get", "services.swarm.maru.dev")
    assert {"every", "job", "picky"} <= {word for row in rows.splitlines() for word in row.split()}
    done = swarm.run("service", "create", "-d", "--name", "every", "busybox:latest")
    assert "name conflicts with an existing object: service every already exists" in done.stderr


def test_tasks_outlive_every_process_and_a_locked_swarm_waits_for_its_key(swarm: Swarm) -> None:
    port = swarm.platform.port_offset + 8091
    swarm.service("web", "--replicas", "2", "--hostname", "{{.Task.Slot}}", "-p", f"{port}:80", command=SERVE)
    swarm.runs("web", 2)
    wait_until(lambda: answers(port, 20) == {"1", "2"}, "both answer")
    before = swarm("ps", "-q").split()
    for pid in swarm.platform.workers().values():
        os.kill(pid, signal.SIGKILL)
    assert answers(port, 20) == {"1", "2"}, "packets go on while nobody runs"
    wait_until(lambda: swarm.run("service", "ls").returncode == 0, "the swarm is back")
    assert swarm("ps", "-q").split() == before
    swarm("swarm", "update", "--autolock=true")
    key = swarm("swarm", "unlock-key", "-q")
    swarm.platform.maru("restart")
    assert "needs to be unlocked" in swarm.run("service", "ls").stderr
    assert answers(port, 20) == {"1", "2"}
    swarm("swarm", "unlock", stdin=key)
    assert swarm("ps", "-q").split() == before
    swarm("service", "scale", "-d", "web=1")
    wait_until(lambda: answers(port, 10) == {"1"}, "one is left")
    assert "Removing the last manager erases all current state" in swarm.run("swarm", "leave").stderr
    refused = swarm.run("swarm", "join", "--token", "SWMTKN-1-a-b", "127.0.0.1:2377")
    assert "This node is already part of a swarm" in refused.stderr
