"""exec, attach, cp, logs and port-forward as kubectl of three generations does them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.components.node.kubectl import VERSIONS, Kubectl, api_of, kubectl_path
from tests.components.node.kubelet import Kubelet, pod, ready

pytestmark = [pytest.mark.root, pytest.mark.clients]


@pytest.fixture(params=VERSIONS)
async def kubectl(request: pytest.FixtureRequest, node: Kubelet, tmp_path: Path) -> AsyncIterator[Kubectl]:
    binary = kubectl_path(request.param)
    async with node.running(), api_of(node) as port:
        yield Kubectl(binary, port, tmp_path)
        for worker_pod in ("web",):
            await node.delete(worker_pod)
            await node.until_gone(worker_pod)


async def test_exec_gives_output_exit_code_and_stdin_to_its_end(node: Kubelet, kubectl: Kubectl) -> None:
    await node.create(pod("web"))
    await node.until("web", ready)
    code, out, err = await kubectl.run("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (code, out) == (7, b"out\n")
    assert err.startswith(b"err\n")
    payload = b"x" * 300_000 + b"\n"
    code, out, err = await kubectl.run("exec", "-i", "web", "--", "cat", stdin=payload)
    assert (code, out, err) == (0, payload, b"")
    code, _, err = await kubectl.run("exec", "web", "--", "no-such-program")
    assert code != 0
    assert b"no-such-program" in err


async def test_cp_carries_files_both_ways(node: Kubelet, kubectl: Kubectl, tmp_path: Path) -> None:
    await node.create(pod("web"))
    await node.until("web", ready)
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 2000)
    code, _, err = await kubectl.run("cp", str(source), "web:/tmp/there")
    assert (code, err) == (0, b"")
    code, _, err = await kubectl.run("cp", "web:/tmp/there", str(tmp_path / "back"))
    assert code == 0, err
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


async def test_logs_follow_a_container_to_its_end(node: Kubelet, kubectl: Kubectl) -> None:
    await node.create(
        pod("web", "sh", "-c", "echo one; read line; echo $line", container={"stdin": True}, restartPolicy="Never")
    )
    await node.until("web", ready)
    following = await kubectl.start("logs", "-f", "web")
    assert following.stdout is not None
    async with asyncio.timeout(20):
        assert await following.stdout.readline() == b"one\n"
        code, _, err = await kubectl.run("attach", "-i", "web", stdin=b"two\n")
        assert code == 0, err
        assert await following.stdout.read() == b"two\n"
        assert await following.wait() == 0


async def test_port_forward_reaches_the_pods_own_network(node: Kubelet, kubectl: Kubectl) -> None:
    serve = "mkdir /w; echo hello > /w/index.html; exec httpd -f -p 127.0.0.1:8080 -h /w"
    await node.create(pod("web", "sh", "-c", serve))
    await node.until("web", ready)
    forwarding = await kubectl.start("port-forward", "web", ":8080")
    assert forwarding.stdout is not None
    async with asyncio.timeout(20):
        line = await forwarding.stdout.readline()
        port = int(line.split(b":")[1].split(b" ")[0])
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            assert (await reader.read()).endswith(b"hello\n")
            writer.close()
        forwarding.terminate()
        await forwarding.wait()
