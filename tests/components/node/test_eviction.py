"""What goes when there is too little: Pods over their limits, Pods of a node in need, images nobody uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.components.node.config import NodeConfig
from maru.components.node.engine.disk_usage import tree_bytes_blocking
from maru.components.node.model.eviction import (
    Headroom,
    PodUse,
    Thresholds,
    eviction_message,
    local_excess,
    shortages,
    victim,
)
from maru.core.document import Value
from tests.components.node.kubelet import Kubelet, condition, fake_kubelet, pod, ready
from tests.fakes.images import FakeImages

MEBIBYTE = 1 << 20
PLENTY = Headroom(1 << 34, 1 << 40, 1 << 40, 1 << 20, 1 << 20, 1 << 20)
MEMORY = shortages(
    Headroom(17_764_352, 1 << 40, 1 << 40, 1 << 20, 1 << 20, 1 << 20), Thresholds(100 * MEBIBYTE, 0.1, 0.05, 100)
)[0]


def use(name: str, memory: int, request: str = "", priority: int = 0) -> PodUse:
    resources = {"requests": {"memory": request}} if request else {}
    value: Value = {
        "metadata": {"name": name, "uid": name},
        "spec": {"priority": priority, "containers": [{"name": "app", "resources": resources}]},
    }
    return PodUse(value, {"app": memory})


def test_node_with_plenty_is_short_of_nothing() -> None:
    assert shortages(PLENTY, Thresholds(100 * MEBIBYTE, 0.1, 0.05, 100)) == []
    short = shortages(Headroom(1, 1, 100, 1, 100, 1), Thresholds(2, 0.1, 0.05, 100))
    assert [shortage.resource for shortage in short] == ["memory", "ephemeral-storage", "inodes", "pids"]
    assert shortages(Headroom(1, 1, 100, 1, 100, 1), Thresholds(0, 0, 0, 0)) == []


def test_pod_over_its_request_goes_first_then_the_less_important_then_the_hungrier() -> None:
    modest, hungry = use("modest", 10 * MEBIBYTE, "64Mi"), use("hungry", 20 * MEBIBYTE)
    hungrier, important = use("hungrier", 30 * MEBIBYTE), use("important", 99 * MEBIBYTE, priority=1000)
    order = []
    left = [modest, important, hungry, hungrier, use("system", 1 << 30, priority=2_000_001_000)]
    while (first := victim(MEMORY, left)) is not None:
        order.append(first.pod["metadata"]["name"])
        left = [other for other in left if other is not first]
    assert order == ["hungrier", "hungry", "important", "modest"]


def test_message_says_what_was_short_and_who_used_it() -> None:
    words = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 17348Ki. "
    words += "Container app was using 188Ki, request is 0, has larger consumption of memory. "
    assert eviction_message(MEMORY, use("web", 188 * 1024)) == words


def test_limits_on_disk_are_told_apart() -> None:
    container = {"name": "app", "resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    value: Value = {"spec": {"containers": [container], "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Ki"}}]}}
    assert local_excess(PodUse(value, volumes={"v": 1024})) == ""
    assert local_excess(PodUse(value, volumes={"v": 1025})) == 'Usage of EmptyDir volume "v" exceeds the limit "1Ki". '
    assert "exceeds the total limit of containers 1Mi" in local_excess(PodUse(value, containers={"app": 2 * MEBIBYTE}))
    value["spec"]["containers"].append({"name": "b", "resources": {"limits": {"ephemeral-storage": "9Mi"}}})
    assert "Container app exceeded" in local_excess(PodUse(value, containers={"app": 2 * MEBIBYTE}))


def test_files_are_counted_once_and_links_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/a").write_bytes(b"x" * MEBIBYTE)
    (tmp_path / "b").hardlink_to(tmp_path / "inner/a")
    (tmp_path / "away").symlink_to("/")
    assert MEBIBYTE <= tree_bytes_blocking(tmp_path) < 2 * MEBIBYTE
    assert tree_bytes_blocking(tmp_path / "absent") == 0


async def _is_evicted(node: Kubelet, name: str) -> Value:
    value = await node.until(name, lambda value: value["status"]["phase"] == "Failed")
    assert value["status"]["reason"] == "Evicted"
    assert condition(value, "DisruptionTarget")["reason"] == "TerminationByKubelet"
    await node.until_event("Evicted")
    await node.delete(name)
    await node.until_gone(name)
    return value


@pytest.mark.root
async def test_pod_that_fills_its_volume_over_the_limit_is_evicted(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, config=NodeConfig(eviction_check_s=0.1))
    volumes = [{"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}]
    async with node.running():
        uid = (await node.create(pod("web", volumes=volumes)))["metadata"]["uid"]
        await node.until("web", ready)
        folder = tmp_path / "node/state" / uid / "volumes/kubernetes.io~empty-dir/scratch"
        (folder / "file").write_bytes(b"x" * 2 * MEBIBYTE)
        value = await _is_evicted(node, "web")
        assert value["status"]["message"] == 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". '
    node.assert_clean()


@pytest.mark.root
async def test_node_short_of_memory_evicts_a_pod_and_says_why(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, config=NodeConfig(eviction_check_s=0.5, eviction_memory_bytes=1 << 50))
    async with node.running():
        await node.create(pod("web"))
        value = await _is_evicted(node, "web")
        assert "The node was low on resource: memory. Threshold quantity: 1048576Gi" in value["status"]["message"]
        await node.until_event("EvictionThresholdMet", "Attempting to reclaim memory")
    node.assert_clean()


@pytest.mark.root
async def test_unused_images_go_when_the_disk_fills_and_others_stay(tmp_path: Path) -> None:
    config = NodeConfig(image_gc_check_s=0.1, image_gc_min_age_s=0, image_gc_high_percent=0, image_gc_low_percent=0)
    node = fake_kubelet(tmp_path, config=config)
    images = node.images
    assert isinstance(images, FakeImages)
    used = images.put("registry.example/used:1")
    images._in_use = lambda: {used.id}
    images.put("registry.example/unused:1")
    images.put("maru.local/base:latest")
    async with node.running():
        await node.until_event("FreeDiskSpaceFailed", "eligible to free")
        names = {name for image in images.list() for name in image.names}
        assert names == {"registry.example/used:1", "maru.local/base:latest"}
