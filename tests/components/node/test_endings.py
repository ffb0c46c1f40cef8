"""How containers and Pods end: hooks within the grace, probes with a grace of their own, gates, promptness."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from maru.core.client import PatchKind
from maru.core.document import Value
from maru.kinds.resources import PODS
from tests.components.node.kubelet import Kubelet, condition, entry, fake_kubelet, pod, ready
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.root
STUBBORN = ("sh", "-c", "trap '' TERM; sleep 1000")


def hooked(hook: Value, *command: str, grace_s: int = 30) -> Value:
    return pod("web", *command, container={"lifecycle": {"preStop": hook}}, terminationGracePeriodSeconds=grace_s)


async def stopped_after_s(node: Kubelet) -> float:
    """How long the deletion of the ready Pod took, by the node's clock."""
    await node.until("web", ready)
    began_s = node.clock.monotonic_s()
    await node.delete("web")
    await node.until_gone("web")
    return node.clock.monotonic_s() - began_s


async def test_sleep_hook_delays_the_signal_and_no_more(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=10)
    async with node.running():
        await node.create(hooked({"sleep": {"seconds": 5}}))
        assert 5 <= await stopped_after_s(node) < 20
    node.assert_clean()


async def test_hook_that_outlasts_the_grace_is_cut_off_and_told(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=10)
    async with node.running():
        await node.create(hooked({"exec": {"command": ["sleep", "1000"]}}, *STUBBORN, grace_s=5))
        assert 7 <= await stopped_after_s(node) < 25  # the grace, and the two seconds every signal gets
        await node.until_event("FailedPreStopHook")
    node.assert_clean()


async def test_http_hook_is_asked_before_the_signal(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.path} {[verb for verb, _ in runtime_of(node).trail][-1]}")
        return web.Response()

    app = web.Application()
    app.router.add_get("/stop", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with node.running():
            await node.create(hooked({"httpGet": {"path": "/stop", "port": port, "host": "127.0.0.1"}}))
            await stopped_after_s(node)
        assert asked == ["/stop start"]
    finally:
        await runner.cleanup()
    node.assert_clean()


async def test_probe_may_have_a_shorter_grace_than_its_pod(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=10)
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    async with node.running():
        container = {"livenessProbe": {**probe, "terminationGracePeriodSeconds": 3}}
        await node.create(pod("web", *STUBBORN, container=container, terminationGracePeriodSeconds=3600))
        value = await node.until("web", lambda value: entry(value).get("restartCount"))
        assert entry(value)["lastState"]["terminated"]["exitCode"] == 137
        await node.delete("web", grace_s=1)
        await node.until_gone("web")
    node.assert_clean()


async def test_readiness_gate_holds_the_pod_until_its_condition_is_true(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("web", readinessGates=[{"conditionType": "example.com/fed"}]))
        value = await node.until("web", lambda value: condition(value, "ContainersReady").get("status") == "True")
        assert condition(value, "Ready")["reason"] == "ReadinessGatesNotReady"
        gate = {"type": "example.com/fed", "status": "True"}
        body = {"status": {"conditions": [gate]}}
        client = node.clients.acting_as("test")
        await client.patch(PODS, "default", "web", body, kind=PatchKind.STRATEGIC, subresource="status")
        value = await node.until("web", ready)
        assert condition(value, "example.com/fed")["status"] == "True"
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_restart_rule_that_the_node_cannot_keep_is_refused(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [7]}}
    async with node.running():
        await node.create(pod("web", container={"restartPolicy": "Never", "restartPolicyRules": [rule]}))
        value = await node.until("web", lambda value: value["status"]["phase"] == "Failed")
        assert value["status"]["reason"] == "RestartRuleNotSupported"
        assert "RestartAllContainers" in value["status"]["message"]
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_process_that_heeds_its_signal_goes_at_once(node: Kubelet) -> None:
    script = "trap 'exit 0' TERM; : >/tmp/listens; while :; do sleep 0.01; done"
    probe = {"exec": {"command": ["test", "-e", "/tmp/listens"]}, "periodSeconds": 1, "failureThreshold": 60}
    async with node.running():
        await node.create(
            pod("web", "sh", "-c", script, container={"readinessProbe": probe}, terminationGracePeriodSeconds=600)
        )
        await node.until("web", ready)
        await node.delete("web")
        await node.until_gone("web")  # which waits for far less than the grace
        assert node.clients.find(PODS, "default", "web") is None


def runtime_of(node: Kubelet) -> FakeRuntime:
    assert isinstance(node.runtime, FakeRuntime)
    return node.runtime
