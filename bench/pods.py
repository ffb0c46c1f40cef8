"""What people wait for: a Pod from create to running, thirty at once, and a Service from update to forwarding.

The runtime that is installed is measured beside it, doing only its own part.
"""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.channel import Channel, Endpoint, encode
from bench.platform import platform_running
from bench.report import Say, Table, quantile, spread_ms

ALONE = 10
TOGETHER = 30
SWITCHES = 20
PATIENCE_S = 60.0
_PODS = "/api/v1/namespaces/bench/pods"
_SERVICE = "/api/v1/namespaces/bench/services/switch"


def measure(say: Say) -> Sequence[Table]:
    table = Table("Pods and Services, image busybox:latest on the machine")
    with platform_running() as platform:
        endpoint = platform.endpoint()
        platform.namespace("bench")
        say("Pods one after another")
        alone = [_run(endpoint, [_pod(f"alone-{number}")])[0] for number in range(ALONE)]
        bare = _bare_runtime()
        peer = (
            f"{bare[0]} run alone {bare[1] * 1000:.0f} ms, {statistics.median(alone) / bare[1]:.1f} times"
            if bare
            else ""
        )
        table.add("Pod create to running", spread_ms(alone), "300 ms", peer)
        say(f"{TOGETHER} Pods at once")
        together = _run(endpoint, [_pod(f"together-{number}") for number in range(TOGETHER)])
        table.add(f"Pod create to running, {TOGETHER} at once", spread_ms(together), "p99 3 s")
        say("Services")
        switched = _switch(endpoint)
        worst = f"{statistics.median(switched) * 1000:.0f} ms, worst {quantile(switched, 1) * 1000:.0f} ms"
        table.add("Service update to forwarding", worst, "100 ms")
    return [table]


def _pod(name: str, command: Sequence[str] = ("sleep", "1000"), label: str = "none") -> dict[str, Any]:
    container = {"name": "main", "image": "busybox:latest", "imagePullPolicy": "IfNotPresent", "command": list(command)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"switch": label}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def _run(endpoint: Endpoint, pods: Sequence[dict[str, Any]], *, keep: bool = False) -> list[float]:
    """Make them all at once; seconds from the first create to each one's phase Running, then they are deleted."""
    writer, watcher = Channel(endpoint), Channel(endpoint)
    version = writer.ask(encode("GET", f"{_PODS}?limit=1")).value()["metadata"]["resourceVersion"]
    watcher.send(encode("GET", f"{_PODS}?watch=1&resourceVersion={version}"))
    begun = time.perf_counter()
    for pod in pods:
        writer.ask(encode("POST", _PODS, pod))
    waiting = {pod["metadata"]["name"] for pod in pods}
    took: list[float] = []
    unread = b""
    while waiting:
        *lines, unread = (unread + watcher.read()).split(b"\n")
        for line in lines:
            if line.startswith(b'{"type":"MODIFIED"') and b'"phase":"Running"' in line:
                name = json.loads(line)["object"]["metadata"]["name"]
                if name in waiting:
                    waiting.remove(name)
                    took.append(time.perf_counter() - begun)
        if time.perf_counter() - begun > PATIENCE_S:
            raise RuntimeError(f"not running after {PATIENCE_S:.0f} s: {', '.join(sorted(waiting))}")
    for pod in () if keep else pods:
        writer.ask(encode("DELETE", f"{_PODS}/{pod['metadata']['name']}?gracePeriodSeconds=0"))
    while not keep and writer.ask(encode("GET", _PODS)).value()["items"]:
        time.sleep(0.05)
    writer.close()
    watcher.close()
    return took


def _switch(endpoint: Endpoint) -> list[float]:
    """Let a Service choose now one Pod, now the other; seconds until a new connection reaches the chosen one."""
    server = "while true; do echo {} | nc -l -p 8080; done"
    pods = [_pod(side, ("sh", "-c", server.format(side)), side) for side in ("left", "right")]
    _run(endpoint, pods, keep=True)
    channel = Channel(endpoint)
    spec = {"selector": {"switch": "left"}, "ports": [{"port": 80, "targetPort": 8080}]}
    value = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "switch"}, "spec": spec}
    made = channel.ask(encode("POST", _SERVICE.rpartition("/")[0], value)).value()
    address = made["spec"]["clusterIP"]
    _await_answer(address, b"left")
    took = []
    for number in range(SWITCHES):
        side = "left" if number % 2 else "right"
        patch = encode("PATCH", _SERVICE, {"spec": {"selector": {"switch": side}}}, "application/merge-patch+json")
        begun = time.perf_counter()
        channel.ask(patch)
        _await_answer(address, side.encode())
        took.append(time.perf_counter() - begun)
    channel.close()
    return took


def _await_answer(address: str, word: bytes) -> None:
    give_up = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < give_up:
        try:
            with socket.create_connection((address, 80), 0.2) as connection:
                if connection.recv(64).strip() == word:
                    return
        except OSError:
            pass
        time.sleep(0.002)
    raise RuntimeError(f"{address} does not answer {word.decode()}")


def _bare_runtime() -> tuple[str, float] | None:
    """How long `runc run` of a container that does nothing takes, all namespaces new."""
    runtime = shutil.which("runc")
    busybox = shutil.which("busybox")
    if runtime is None or busybox is None:
        return None
    with tempfile.TemporaryDirectory(prefix="maru-bench-runc-") as folder:
        bundle = Path(folder)
        (bundle / "rootfs" / "bin").mkdir(parents=True)
        shutil.copy(busybox, bundle / "rootfs" / "bin" / "busybox")
        subprocess.run([runtime, "spec"], cwd=bundle, check=True)
        told = json.loads((bundle / "config.json").read_text())
        told["process"].update(args=["/bin/busybox", "true"], terminal=False, rlimits=[])
        told["linux"]["resources"] = {}
        (bundle / "config.json").write_text(json.dumps(told))
        took = []
        for number in range(ALONE):
            begun = time.perf_counter()
            done = subprocess.run(
                [runtime, "run", f"maru-bench-{number}"], cwd=bundle, check=False, capture_output=True
            )
            if done.returncode != 0:
                return None
            took.append(time.perf_counter() - begun)
    return "runc", statistics.median(took)
