"""Maru's node goes away and comes back: Pods do not notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.kinds.resources import PODS
from tests.components.node.kubelet import Kubelet, entry, fake_kubelet, pod, ready
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.root


def _restart(node: Kubelet) -> None:
    assert isinstance(node.runtime, FakeRuntime)
    node.runtime = node.runtime.restarted()


async def test_running_containers_are_adopted_as_they_are(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1000}
    async with node.running():
        await node.create(pod("web", container={"readinessProbe": probe}))
        before = await node.until("web", ready)
    _restart(node)
    async with node.running():
        assert isinstance(node.runtime, FakeRuntime)
        await node.create(pod("other"))
        await node.until("other", ready)
        after = await node.until("web", ready)
        assert entry(after)["containerID"] == entry(before)["containerID"]
        assert after["status"] == before["status"]
        assert [verb for verb, _ in node.runtime.trail if verb == "start"] == ["start"]
        for name in ("web", "other"):
            await node.delete(name)
            await node.until_gone(name)
    node.assert_clean()


async def test_pod_deleted_meanwhile_is_torn_down(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("web"))
        await node.create(pod("asked"))
        await node.until("web", ready)
        await node.until("asked", ready)
    await node.clients.remove(PODS, "default", "web")
    await node.delete("asked")
    _restart(node)
    async with node.running():
        await node.until_gone("asked")
        await node.until_forgotten("web")
        assert node.network.attached == {}  # type: ignore[attr-defined]
    node.assert_clean()


async def test_container_that_ended_meanwhile_is_restarted_once(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("web"))
        before = await node.until("web", ready)
    assert isinstance(node.runtime, FakeRuntime)
    node.runtime.exit_now(entry(before)["containerID"].removeprefix("maru://"), 1)
    _restart(node)
    async with node.running():
        value = await node.until("web", lambda value: entry(value)["restartCount"] == 1 and ready(value))
        assert entry(value)["lastState"]["terminated"]["exitCode"] == 1
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_finished_pod_is_not_run_again(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("job", "true", restartPolicy="Never"))
        before = await node.until("job", lambda value: value["status"]["phase"] == "Succeeded")
    _restart(node)
    async with node.running():
        await node.create(pod("other"))
        await node.until("other", ready)
        assert isinstance(node.runtime, FakeRuntime)
        assert len([verb for verb, _ in node.runtime.trail if verb == "start"]) == 1
        assert before["status"]["phase"] == "Succeeded"
        for name in ("job", "other"):
            await node.delete(name)
            await node.until_gone(name)
    node.assert_clean()
