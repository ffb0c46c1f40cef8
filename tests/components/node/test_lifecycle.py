"""A Pod's life on the node, from binding to its final delete."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.kinds.resources import LEASES, NODES
from tests.components.node.kubelet import condition, entry, fake_kubelet, pod, ready, state

pytestmark = pytest.mark.root


async def test_node_registers_and_keeps_its_lease(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        value = node.clients.find(NODES, "", node.site.node_name)
        assert value is not None
        assert condition(value, "Ready")["status"] == "True"
        assert value["status"]["allocatable"]["pods"] == "110"
        assert value["metadata"]["labels"]["kubernetes.io/hostname"] == node.site.node_name
        lease = await node.until_found(LEASES, lambda lease: lease["spec"]["holderIdentity"] == node.site.node_name)
        assert lease["metadata"]["namespace"] == "kube-node-lease"


async def test_bound_pod_runs_becomes_ready_and_is_deleted(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("web"))
        value = await node.until("web", ready)
        assert value["status"]["phase"] == "Running"
        assert value["status"]["podIP"] == "10.244.0.2"
        assert value["status"]["hostIP"] == "192.0.2.10"
        assert value["status"]["qosClass"] == "BestEffort"
        assert "running" in state(value)
        assert entry(value)["containerID"].startswith("maru://")
        assert entry(value)["started"] is True
        await node.delete("web")
        await node.until_gone("web")
        await node.until_event("Killing", "Stopping container app")
    for reason in ("Pulled", "Created", "Started"):
        assert any(event.startswith(reason) for event in node.events())
    node.assert_clean()


async def test_finished_pod_succeeds_and_keeps_its_log(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("job", "echo", "hello there", restartPolicy="Never"))
        value = await node.until("job", lambda value: value["status"]["phase"] == "Succeeded")
        assert state(value)["terminated"]["reason"] == "Completed"
        assert condition(value, "Ready")["reason"] == "PodCompleted"
        status, text = await node.get("/containerLogs/default/job/app")
        assert (status, text) == (200, "hello there\n")
        await node.delete("job")
        await node.until_gone("job")
    node.assert_clean()


async def test_failing_container_backs_off_and_shows_its_last_state(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=50)
    async with node.running():
        await node.create(pod("bad", "sh", "-c", "echo oops; exit 3"))
        value = await node.until(
            "bad", lambda value: state(value).get("waiting", {}).get("reason") == "CrashLoopBackOff"
        )
        assert entry(value)["lastState"]["terminated"]["exitCode"] == 3
        assert entry(value)["restartCount"] == 1
        assert "back-off 10s restarting failed container=app pod=bad_default(" in state(value)["waiting"]["message"]
        await node.until("bad", lambda value: entry(value).get("restartCount") == 3)
        await node.until_event("BackOff", "Back-off restarting failed container app in pod bad_default(")
        status, text = await node.get("/containerLogs/default/bad/app?previous=true")
        assert (status, text) == (200, "oops\n")
        await node.delete("bad")
        await node.until_gone("bad")
    node.assert_clean()
