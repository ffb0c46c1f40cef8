"""The runtime a container asks for is the one it gets: crun, runc, or a virtual machine of its own."""

from __future__ import annotations

import os
import platform as machine
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.platform import Kubectl, Platform, wait_until
from tests.clients.test_escapes import Engine

NONE = ("--network", "none")

POD = """
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: %(name)s}
handler: %(handler)s
---
apiVersion: v1
kind: Pod
metadata: {name: chosen}
spec:
  runtimeClassName: %(name)s
  terminationGracePeriodSeconds: 0
  containers:
  - name: app
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "uname -r; httpd -f -h /etc"]
    readinessProbe: {exec: {command: [cat, /etc/hosts]}, periodSeconds: 1}
"""


@pytest.fixture
def engine(platform: Platform) -> Iterator[Engine]:
    if shutil.which("docker") is None:
        pytest.skip("the docker command line is not installed")
    client = Engine(platform.data_dir / "run" / "docker.sock")
    yield client
    if ids := client("ps", "-aq").split():
        client("rm", "-fv", *ids)


@pytest.fixture
def vm(engine: Engine) -> Engine:
    if "vm" not in engine("info", "-f", "{{json .Runtimes}}"):
        pytest.skip("virtual machines are not to be had here: maru doctor says why")
    return engine


def held_by(engine: Engine, name: str) -> str:
    """The command line of the process that holds a container."""
    pid = int(engine("inspect", "-f", "{{.State.Pid}}", name))
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return Path(f"/proc/{parent}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def test_runtime_asked_for_is_the_one_that_runs(engine: Engine) -> None:
    default = engine("info", "-f", "{{.DefaultRuntime}}").strip()
    for asked, runs in (("crun", "crun"), ("runc", "runc"), ("io.containerd.runc.v2", "runc"), ("", default)):
        if shutil.which(runs, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            continue
        choice = ("--runtime", asked) if asked else ()
        engine("run", "-d", "--name", "x1", *choice, *NONE, "busybox", "sleep", "60")
        assert engine("inspect", "-f", "{{.HostConfig.Runtime}}", "x1").strip() == (asked or default)
        assert f"/{runs} " in held_by(engine, "x1") or f"/{runs}/" in held_by(engine, "x1")
        engine("rm", "-f", "x1")


def test_runtime_that_there_is_not_is_refused_in_dockers_words(engine: Engine) -> None:
    done = engine.run("run", "--runtime", "nosuch", "busybox")
    assert done.returncode == 125 and b"unknown or invalid runtime name: nosuch" in done.stderr
    assert engine("ps", "-aq") == ""


def test_class_without_a_runtime_is_told_in_an_event(kubectl36: Kubectl) -> None:
    kubectl36.apply(POD % {"name": "strange", "handler": "strange"})
    words = 'Failed to create pod sandbox: no runtime for "strange" is configured'
    wait_until(lambda: words in kubectl36("get", "events"), "the event says so", 20)


def test_container_in_a_virtual_machine_has_another_kernel_and_behaves_as_any(vm: Engine) -> None:
    script = 'trap "echo bye; exit 9" TERM; uname -r; id -u; pwd; echo $A; echo err >&2; while :; do sleep 0.1; done'
    options = ("-u", "1000", "-w", "/tmp", "-e", "A=b", "-m", "64m", "-v", "/usr/share:/given:ro")
    vm("run", "-d", "--name", "inside", "--runtime", "vm", *options, "busybox", "sh", "-c", script)
    done = vm.run("exec", "-i", "inside", "sh", "-c", "cat; touch /given/x; hostname; exit 5", stdin=b"piped\n")
    assert done.returncode == 5 and b"Read-only file system" in done.stderr
    assert done.stdout.splitlines() == [b"piped", vm("ps", "-q").strip().encode()]
    address = vm("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "inside").strip()
    assert "1 packets received" in vm("run", "--rm", "busybox", "ping", "-c", "1", "-W", "5", address)
    vm("stop", "inside")
    logs = vm.run("logs", "inside")
    kernel, *rest = logs.stdout.decode().splitlines()
    assert kernel != machine.release() and rest == ["1000", "/tmp", "b", "bye"] and logs.stderr == b"err\n"
    assert vm("inspect", "-f", "{{.State.ExitCode}}", "inside").strip() == "9"
    done = vm.run("run", "--rm", "--runtime", "vm", "--network", "host", "busybox", "true")
    assert done.returncode == 125 and b"cannot share the machine's network" in done.stderr


def test_pod_of_the_class_is_ready_in_its_virtual_machine(vm: Engine, kubectl36: Kubectl) -> None:
    kubectl36.apply(POD % {"name": "virtual", "handler": "vm"})
    kubectl36("wait", "--for=condition=Ready", "pod/chosen", "--timeout=40s")
    assert kubectl36("logs", "chosen").strip() != machine.release()
    assert kubectl36("exec", "chosen", "--", "wget", "-qO-", "http://127.0.0.1/hostname").strip() == "chosen"
