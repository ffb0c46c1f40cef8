"""Pods with kubectl: run, logs, exec, attach, cp, port-forward, debug, describe."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.clients.platform import WAIT_S, Kubectl, wait_until

IMAGE = "busybox:latest"


def start(kubectl: Kubectl, name: str, *command: str) -> None:
    kubectl("run", name, f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--command", "--", *command)
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")


def test_a_pod_runs_and_its_log_is_read(kubectl: Kubectl) -> None:
    start(kubectl, "talk", "sh", "-c", "echo one; echo two >&2; exec sleep 1000")
    assert kubectl("logs", "talk").splitlines() == ["one", "two"]
    assert kubectl("logs", "talk", "--tail=1") == "two\n"
    assert kubectl("logs", "talk", "--timestamps").split()[0].endswith("Z")
    row = kubectl("get", "pod", "talk", "-o", "wide").splitlines()[1].split()
    assert row[:3] == ["talk", "1/1", "Running"]
    kubectl("delete", "pod", "talk", "--grace-period=1")
    assert "NotFound" in kubectl.fails("get", "pod", "talk")


def test_logs_are_followed_to_the_end(kubectl: Kubectl) -> None:
    kubectl(
        "run",
        "count",
        f"--image={IMAGE}",
        "--restart=Never",
        "--image-pull-policy=IfNotPresent",
        "--",
        "sh",
        "-c",
        "for i in 1 2 3; do echo $i; sleep 0.3; done",
    )
    wait_until(lambda: kubectl("get", "pod", "count", "-o", "jsonpath={.status.phase}") != "Pending", "count started")
    assert kubectl("logs", "-f", "count").split() == ["1", "2", "3"]
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/count", "--timeout=20s")


def test_exec_gives_output_and_exit_code(kubectl: Kubectl) -> None:
    start(kubectl, "box", "sleep", "1000")
    assert kubectl("exec", "box", "--", "echo", "hi") == "hi\n"
    assert kubectl("exec", "-i", "box", "--", "cat", stdin="through stdin\n") == "through stdin\n"
    done = kubectl.run("exec", "box", "--", "sh", "-c", "echo bad >&2; exit 7", check=False)
    assert done.returncode == 7
    assert "bad" in done.stderr
    assert "not found" in kubectl.fails("exec", "box", "--", "no-such-command")


def test_exec_with_a_terminal(kubectl: Kubectl) -> None:
    start(kubectl, "term", "sleep", "1000")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        kubectl.command("exec", "-it", "term", "--", "sh"), stdin=theirs, stdout=theirs, stderr=theirs
    ) as shell:
        os.close(theirs)
        os.write(ours, b"tty; echo sum $((40+2))\n")
        seen = _read_until(ours, b"sum 42")
        os.write(ours, b"exit 3\n")
        assert b"/dev/pts/" in seen
        assert shell.wait(20) == 3
    os.close(ours)


def test_large_input_and_output_pass_whole(kubectl: Kubectl) -> None:
    start(kubectl, "pipe", "sleep", "1000")
    sent = os.urandom(1 << 20).hex()
    assert kubectl("exec", "-i", "pipe", "--", "cat", stdin=sent) == sent


def test_attach_follows_a_running_container(kubectl: Kubectl) -> None:
    kubectl.apply(
        f"""
apiVersion: v1
kind: Pod
metadata: {{name: echo}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - {{name: echo, image: {IMAGE}, imagePullPolicy: IfNotPresent, stdin: true, stdinOnce: true, command: [cat]}}
"""
    )
    kubectl("wait", "--for=condition=Ready", "pod/echo", "--timeout=30s")
    assert "spoken" in kubectl("attach", "-i", "echo", stdin="spoken\n")


def test_cp_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    start(kubectl, "files", "sleep", "1000")
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(300_000))
    kubectl("cp", str(there), f"{kubectl.namespace}/files:/tmp/there")
    kubectl("cp", f"{kubectl.namespace}/files:/tmp/there", str(back))
    assert back.read_bytes() == there.read_bytes()


def test_port_forward_reaches_the_pod(kubectl: Kubectl) -> None:
    start(kubectl, "web", "sh", "-c", "echo served > /tmp/index.html; exec httpd -f -p 8080 -h /tmp")
    with subprocess.Popen(
        kubectl.command("port-forward", "pod/web", ":8080"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as forward:
        assert forward.stdout is not None
        try:
            said = forward.stdout.readline()
            port = int(said.split("->")[0].rsplit(":", 1)[1])
            for _ in range(5):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                    assert answer.read() == b"served\n"
        finally:
            forward.terminate()


def test_describe_tells_events_and_state(kubectl: Kubectl) -> None:
    start(kubectl, "story", "sleep", "1000")
    wait_until(
        lambda: re.search(r"Normal +Started", kubectl("describe", "pod", "story")),
        "events are described",
    )
    said = kubectl("describe", "pod", "story")
    assert "Successfully assigned" in said
    assert "State:          Running" in said
    assert "Node:" in kubectl("describe", "pod", "story")
    assert "Allocated resources" in kubectl("describe", "node")


def test_debug_adds_an_ephemeral_container(kubectl: Kubectl) -> None:
    start(kubectl, "quiet", "sleep", "1000")
    looker = ("--container=looker", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent")
    kubectl("debug", "quiet", *looker, "--", "sh", "-c", "echo looked; sleep 1000")
    wait_until(
        lambda: kubectl.run("logs", "quiet", "-c", "looker", check=False).stdout == "looked\n", "the debugger spoke"
    )


def test_an_image_that_is_nowhere_says_so(kubectl36: Kubectl) -> None:
    kubectl36("run", "lost", "--image=127.0.0.1:1/none:1")
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    wait_until(
        lambda: kubectl36("get", "pod", "lost", "-o", reason) in ("ErrImagePull", "ImagePullBackOff"),
        "a pull error is shown",
    )
    assert "Failed to pull image" in kubectl36("describe", "pod", "lost")


def test_a_crashing_container_is_restarted_with_back_off(kubectl36: Kubectl) -> None:
    kubectl36(
        "run", "crash", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--", "sh", "-c", "echo fell; exit 3"
    )
    waiting = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    wait_until(lambda: kubectl36("get", "pod", "crash", "-o", waiting) == "CrashLoopBackOff", "it backs off")
    assert kubectl36("logs", "crash", "--previous") == "fell\n"
    state = kubectl36.json("get", "pod", "crash")["status"]["containerStatuses"][0]
    assert state["lastState"]["terminated"]["exitCode"] == 3
    assert state["restartCount"] >= 1


def test_init_containers_and_sidecars_run_in_order(kubectl36: Kubectl) -> None:
    kubectl36.apply(
        f"""
apiVersion: v1
kind: Pod
metadata: {{name: ordered}}
spec:
  terminationGracePeriodSeconds: 1
  restartPolicy: Never
  volumes: [{{name: shared, emptyDir: {{}}}}]
  initContainers:
    - name: first
      image: {IMAGE}
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "echo first >> /s/order"]
      volumeMounts: [{{name: shared, mountPath: /s}}]
    - name: side
      image: {IMAGE}
      imagePullPolicy: IfNotPresent
      restartPolicy: Always
      command: [sh, -c, "echo side >> /s/order; exec sleep 1000"]
      startupProbe: {{exec: {{command: [grep, side, /s/order]}}, periodSeconds: 1}}
      volumeMounts: [{{name: shared, mountPath: /s}}]
  containers:
    - name: main
      image: {IMAGE}
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "echo main >> /s/order; cat /s/order"]
      volumeMounts: [{{name: shared, mountPath: /s}}]
"""
    )
    kubectl36("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/ordered", "--timeout=60s")
    assert kubectl36("logs", "ordered", "-c", "main").split() == ["first", "side", "main"]


def test_configuration_reaches_the_container_and_changes_live(kubectl36: Kubectl) -> None:
    kubectl36("create", "configmap", "conf", "--from-literal=mode=slow")
    kubectl36("create", "secret", "generic", "key", "--from-literal=token=abc")
    kubectl36.apply(
        f"""
apiVersion: v1
kind: Pod
metadata: {{name: reader, labels: {{app: reader}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: {IMAGE}
      imagePullPolicy: IfNotPresent
      command: [sleep, "1000"]
      env:
        - {{name: MODE, valueFrom: {{configMapKeyRef: {{name: conf, key: mode}}}}}}
        - {{name: TOKEN, valueFrom: {{secretKeyRef: {{name: key, key: token}}}}}}
        - {{name: ME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}
        - {{name: BOTH, value: "$(ME)-$(MODE)"}}
      volumeMounts: [{{name: conf, mountPath: /conf}}]
  volumes: [{{name: conf, configMap: {{name: conf}}}}]
"""
    )
    kubectl36("wait", "--for=condition=Ready", "pod/reader", "--timeout=30s")
    assert kubectl36("exec", "reader", "--", "sh", "-c", "echo $MODE $TOKEN $BOTH; cat /conf/mode").split() == [
        "slow",
        "abc",
        "reader-slow",
        "slow",
    ]
    kubectl36("patch", "configmap", "conf", "-p", '{"data":{"mode":"fast"}}')
    wait_until(lambda: kubectl36("exec", "reader", "--", "cat", "/conf/mode") == "fast", "the file changed", 20)


def test_limits_are_the_kernels(kubectl36: Kubectl) -> None:
    kubectl36.apply(
        f"""
apiVersion: v1
kind: Pod
metadata: {{name: hungry}}
spec:
  restartPolicy: Never
  containers:
    - name: main
      image: {IMAGE}
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "head -c 200000000 /dev/zero | tail"]
      resources: {{limits: {{memory: 32Mi}}}}
"""
    )
    kubectl36("wait", "--for=jsonpath={.status.phase}=Failed", "pod/hungry", "--timeout=60s")
    state = kubectl36.json("get", "pod", "hungry")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert state["reason"] == "OOMKilled"
    assert state["exitCode"] == 137


def test_thirty_pods_at_once_run(kubectl36: Kubectl) -> None:
    kubectl36.apply(
        f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: crowd}}
spec:
  replicas: 30
  selector: {{matchLabels: {{app: crowd}}}}
  template:
    metadata: {{labels: {{app: crowd}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: c, image: {IMAGE}, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}}]
"""
    )
    kubectl36("rollout", "status", "deploy/crowd", "--timeout=60s")
    ips = kubectl36("get", "pods", "-o", "jsonpath={.items[*].status.podIP}").split()
    assert len(set(ips)) == 30


def _read_until(descriptor: int, wanted: bytes) -> bytes:
    seen = b""
    give_up_at = time.monotonic() + WAIT_S
    while wanted not in seen:
        assert time.monotonic() < give_up_at, seen
        if select.select([descriptor], [], [], 1)[0]:
            seen += os.read(descriptor, 65536)
    return seen
