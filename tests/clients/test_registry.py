"""The registry as docker and Pods use it: push, push again, remove, pull, and run what was pushed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from typing import Any

import pytest

from maru.core.site import PORT_REGISTRY
from tests.clients.platform import Kubectl, Platform, wait_until

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: pushed}}
spec:
  restartPolicy: Never
  containers:
  - {{name: one, image: "{image}", imagePullPolicy: Always, command: [echo, it runs]}}
"""


def host_of(platform: Platform) -> str:
    return f"127.0.0.1:{PORT_REGISTRY + platform.port_offset}"


def ask(platform: Platform, path: str, method: str = "GET") -> Any:
    asked = urllib.request.Request(f"http://{host_of(platform)}/v2/{path}", method=method)
    with urllib.request.urlopen(asked, timeout=5) as answer:
        body = answer.read()
        return json.loads(body) if body else dict(answer.headers)


def docker(platform: Platform, *arguments: str, fails: bool = False) -> str:
    environment = {**os.environ, "DOCKER_HOST": f"unix://{platform.data_dir}/run/docker.sock"}
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert (done.returncode != 0) == fails, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_pushed_image_is_pulled_and_run_by_docker_and_pods(platform: Platform, kubectl36: Kubectl) -> None:
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not installed")
    name = f"{host_of(platform)}/team/app"
    docker(platform, "tag", "busybox", f"{name}:v1")
    said = docker(platform, "push", f"{name}:v1")
    assert "Pushed" in said
    digest = said.rpartition("digest: ")[2].split()[0]
    docker(platform, "tag", "busybox", f"{name}:v2")
    assert "Layer already exists" in docker(platform, "push", "--all-tags", name)
    assert ask(platform, "team/app/tags/list") == {"name": "team/app", "tags": ["v1", "v2"]}
    assert "tag does not exist" in docker(platform, "push", f"{name}:v9", fails=True)

    docker(platform, "rmi", f"{name}:v1", f"{name}:v2")
    assert digest in docker(platform, "pull", f"{name}:v1")
    assert docker(platform, "run", "--rm", f"{name}@{digest}", "echo", "by digest") == "by digest\n"

    kubectl36.apply(POD.format(image=f"{name.replace('127.0.0.1', 'localhost')}:v2"))
    wait_until(lambda: "it runs" in kubectl36.run("logs", "pushed", check=False).stdout, "the Pod from the registry")

    ask(platform, f"team/app/manifests/{digest}", "DELETE")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(platform, "team/app/manifests/v1")
    # The images that stand on the same bytes still run.
    assert docker(platform, "run", "--rm", f"{name}:v1", "echo", "still") == "still\n"
    docker(platform, "rmi", f"{name}:v1")
