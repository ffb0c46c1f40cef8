"""A running Pod gets more or less: agreed to, told to the kernel, shown in its status."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.components.node.config import NodeConfig
from maru.core.client import PatchKind
from maru.core.document import Value
from maru.kinds.resources import NODES, PODS
from maru.linux import cgroups
from tests.components.node.kubelet import Kubelet, condition, entry, fake_kubelet, pod, ready
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.root


def sized(name: str, requests: Value, limits: Value | None = None, **more: object) -> Value:
    return pod(name, container={"resources": {"requests": requests, "limits": limits or requests}, **more})


async def resize(node: Kubelet, name: str, requests: Value, limits: Value | None = None) -> None:
    resources = {"requests": requests, "limits": limits or requests}
    body = {"spec": {"containers": [{"name": "app", "resources": resources}]}}
    client = node.clients.acting_as("test")
    await client.patch(PODS, "default", name, body, kind=PatchKind.STRATEGIC)


async def end(node: Kubelet, *names: str) -> None:
    for name in names:
        await node.delete(name)
        await node.until_gone(name)


def runtime_of(node: Kubelet) -> FakeRuntime:
    assert isinstance(node.runtime, FakeRuntime)
    return node.runtime


async def test_more_is_given_without_a_restart(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(sized("web", {"cpu": "100m", "memory": "32Mi"}))
        before = await node.until("web", ready)
        assert entry(before)["allocatedResources"] == {"cpu": "100m", "memory": "32Mi"}
        await resize(node, "web", {"cpu": "200m", "memory": "64Mi"})
        after = await node.until("web", lambda value: entry(value)["resources"]["limits"]["memory"] == "64Mi")
        await node.until_event("ResizeStarted", '"cpu":"200m"')
        await node.until_event("ResizeCompleted")
        after = await node.until("web", lambda value: not condition(value, "PodResizeInProgress"))
        assert entry(after)["containerID"] == entry(before)["containerID"]
        assert entry(after)["allocatedResources"] == {"cpu": "200m", "memory": "64Mi"}
        (told,) = runtime_of(node).resources.values()
        assert told["cpu"]["quota"] == 20_000
        assert told["memory"]["limit"] == 64 << 20
        await end(node, "web")
    node.assert_clean()


async def test_policy_of_the_container_has_it_restarted(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    async with node.running():
        await node.create(sized("web", {"cpu": "100m", "memory": "32Mi"}, resizePolicy=policy))
        before = await node.until("web", ready)
        await resize(node, "web", {"cpu": "100m", "memory": "64Mi"})
        await node.until_event("Killing", "resize requires restart")
        after = await node.until("web", lambda value: entry(value)["restartCount"] == 1 and ready(value))
        assert entry(after)["containerID"] != entry(before)["containerID"]
        assert entry(after)["resources"]["limits"]["memory"] == "64Mi"
        await node.until_event("ResizeCompleted")
        await end(node, "web")
    node.assert_clean()


async def test_more_than_the_node_has_is_infeasible_and_the_container_keeps_what_it_had(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(sized("web", {"cpu": "100m", "memory": "32Mi"}))
        await node.until("web", ready)
        await resize(node, "web", {"cpu": "5000", "memory": "32Mi"})
        value = await node.until("web", lambda value: condition(value, "PodResizePending"))
        pending = condition(value, "PodResizePending")
        assert pending["reason"] == "Infeasible"
        assert "Node didn't have enough capacity: cpu, requested: 5000000, capacity: " in pending["message"]
        assert entry(value)["resources"]["limits"]["cpu"] == "100m"
        await resize(node, "web", {"cpu": "150m", "memory": "32Mi"})
        value = await node.until("web", lambda value: entry(value)["resources"]["limits"]["cpu"] == "150m")
        await node.until("web", lambda value: not condition(value, "PodResizePending"))
        await end(node, "web")
    node.assert_clean()


async def test_what_others_hold_is_waited_for(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, speed=20, config=NodeConfig())
    async with node.running():
        await node.create(sized("other", {"memory": "64Mi"}))
        await node.until("other", ready)
        await node.create(sized("web", {"memory": "64Mi"}))
        await node.until("web", ready)
        everything = f"{(await capacity(node)) - (32 << 20)}"
        await resize(node, "web", {"memory": everything})
        value = await node.until("web", lambda value: condition(value, "PodResizePending"))
        assert condition(value, "PodResizePending")["reason"] == "Deferred"
        await end(node, "other")
        await node.until("web", lambda value: entry(value)["resources"]["limits"]["memory"] == everything)
        await end(node, "web")
    node.assert_clean()


async def test_refused_change_is_remembered_across_a_restart_of_maru(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(sized("web", {"cpu": "100m"}))
        await node.until("web", ready)
        await resize(node, "web", {"cpu": "5000"})
        await node.until("web", lambda value: condition(value, "PodResizePending"))
    node.runtime = runtime_of(node).restarted()
    async with node.running():
        await node.create(pod("marker"))
        await node.until("marker", ready)
        value = await node.until("web", lambda value: condition(value, "PodResizePending"))
        assert entry(value)["allocatedResources"] == {"cpu": "100m"}
        assert runtime_of(node).resources == {}
        await end(node, "web", "marker")
    node.assert_clean()


async def test_limits_of_the_pod_stand_in_its_own_control_group(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    value = pod("web", resources={"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "250m"}})
    async with node.running():
        uid = (await node.create(value))["metadata"]["uid"]
        await node.until("web", ready)
        groups, group = cgroups.detect(), f"/{node.site.instance}/pods/pod{uid}"
        if "memory" in groups.mounts:
            figures = ("memory.limit_in_bytes", str(128 << 20)), ("cpu.cfs_quota_us", "50000"), ("cpu.shares", "256")
        else:
            figures = ("memory.max", str(128 << 20)), ("cpu.max", "50000 100000"), ("cpu.weight", "10")
        for name, figure in figures:
            file = groups.file(name.partition(".")[0], group, name)
            assert file is not None
            assert file.read_text().strip() == figure
        await end(node, "web")
        assert not any(folder.exists() for folder in groups.folders(group))
    node.assert_clean()


async def capacity(node: Kubelet) -> int:
    """Bytes of memory that Pods may have."""
    (found,) = node.clients.all(NODES)
    return int(found["status"]["allocatable"]["memory"].removesuffix("Ki")) * 1024
