"""The node's log path: followers, rotation, previous attempts, and its words when there is none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from maru.components.node.config import NodeConfig
from tests.components.node.kubelet import Kubelet, fake_kubelet, pod, ready

pytestmark = pytest.mark.root


async def test_follower_sees_every_line_across_rotations_and_ends_with_the_container(node: Kubelet) -> None:
    node.config = NodeConfig(log_bytes_max=4096, log_files_max=2, log_check_s=0.05)
    script = "i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done; read x"
    async with node.running():
        await node.create(pod("chatty", "sh", "-c", script, restartPolicy="Never", container={"stdin": True}))
        await node.until("chatty", ready)
        path = "/containerLogs/default/chatty/app?follow=true"
        connector = aiohttp.UnixConnector(str(node.site.socket("node")))
        async with aiohttp.ClientSession(connector=connector) as http, http.get(f"http://node{path}") as response:
            seen = [int((await response.content.readline()).decode().strip().removeprefix("line-"))]
            while seen[-1] < 2999:
                seen.append(int((await response.content.readline()).decode().strip().removeprefix("line-")))
            # What was rotated away twice before the follower came is gone; what it has seen has no holes.
            assert seen == list(range(seen[0], 3000))
            await node.delete("chatty", grace_s=1)
            async with asyncio.timeout(10):
                assert await response.content.read() == b""
        await node.until_gone("chatty")


async def test_tail_limit_and_missing_containers(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("web", "sh", "-c", "echo one; echo two; echo three; sleep 1000"))
        await node.until("web", ready)
        place = "/containerLogs/default/web/app"
        assert await node.get(f"{place}?tailLines=2") == (200, "two\nthree\n")
        assert await node.get(f"{place}?tailLines=0") == (200, "")
        assert await node.get(f"{place}?limitBytes=5") == (200, "one\nt")
        assert (await node.get(f"{place}?tailLines=x"))[0] == 400
        status, text = await node.get(f"{place}?previous=true")
        assert (status, text) == (400, 'previous terminated container "app" in pod "web" not found')
        assert (await node.get("/containerLogs/default/web/other"))[0] == 404
        assert (await node.get("/containerLogs/default/none/app"))[0] == 404
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_a_container_that_ended_for_good_has_no_previous_log(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("once", "sh", "-c", "echo one", restartPolicy="Never"))
        await node.until("once", lambda value: (value.get("status") or {}).get("phase") == "Succeeded")
        assert await node.get("/containerLogs/default/once/app") == (200, "one\n")
        status, text = await node.get("/containerLogs/default/once/app?previous=true")
        assert (status, text) == (400, 'previous terminated container "app" in pod "once" not found')
        await node.delete("once")
        await node.until_gone("once")
    node.assert_clean()


async def test_container_that_waits_says_so(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("web", container={"image": "absent:1", "imagePullPolicy": "Never"}))
        await node.until_event("ErrImageNeverPull")
        status, text = await node.get("/containerLogs/default/web/app")
        assert status == 400
        assert text == 'container "app" in pod "web" is waiting to start: trying and failing to pull image'
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()


async def test_usage_is_told_as_metrics_server_reads_it(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod("web"))
        await node.until("web", ready)
        _, summary = await node.get("/stats/summary")
        assert '"podRef":{"name":"web","namespace":"default"' in summary
        _, metrics = await node.get("/metrics/resource")
        assert 'container_cpu_usage_seconds_total{container="app",namespace="default",pod="web"} 0.001' in metrics
        await node.delete("web")
        await node.until_gone("web")
    node.assert_clean()
