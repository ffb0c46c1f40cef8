"""kubectl against one node: a plain API that knows Pods, and hands streams to the node's socket as they are.

It rewrites the path of logs, exec, attach and portforward to the kubelet's and copies bytes, which is
what the API server's proxy amounts to.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from maru.kinds.resources import PODS
from tests.components.node.kubelet import Kubelet

VERSIONS = ("v30", "v33", "v36")
CLIENTS = Path(__file__).parents[2] / "clients" / "node_modules" / ".bin-kubectl"
_RESOURCES = [
    {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get"], "shortNames": ["po"]}
]
_DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": _RESOURCES},
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
}


def kubectl_path(version: str) -> str:
    """The binary of a version, or the test is skipped."""
    path = shutil.which("kubectl", path=CLIENTS / version)
    if path is None:
        pytest.skip(f"kubectl {version} is not installed")
    return path


class Kubectl:
    """One version of kubectl, pointed at the API in `port`."""

    def __init__(self, binary: str, port: int, home: Path) -> None:
        self._line = [binary, f"--server=http://127.0.0.1:{port}", f"--cache-dir={home / 'cache'}"]
        self._home = home

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        environment = {"HOME": str(self._home), "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"}
        return await asyncio.create_subprocess_exec(
            *self._line, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )

    async def run(self, *arguments: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Exit code, stdout, stderr."""
        process = await self.start(*arguments)
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin)
        return process.returncode or 0, out, err


@asynccontextmanager
async def api_of(node: Kubelet) -> AsyncIterator[int]:
    """The port of the plain API."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _serve(node, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _serve(node: Kubelet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, target, version = line.decode().split(" ")
        path = urlsplit(target).path
        parts = path.strip("/").split("/")
        if len(parts) == 7 and parts[4] == "pods":
            rewritten = _kubelet_target(parts, target)
            await _tunnel(node, f"{method} {rewritten} {version}\r\n".encode() + rest, reader, writer)
            return
        if len(parts) == 6 and parts[4] == "pods":
            body: object = node.clients.find(PODS, parts[3], parts[5])
        else:
            body = _DISCOVERY.get(path)
        status = "200 OK" if body is not None else "404 Not Found"
        raw = json.dumps(body or {"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"}).encode()
        headers = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        writer.write(headers.encode() + raw)
        await writer.drain()


def _kubelet_target(parts: list[str], target: str) -> str:
    query = parse_qsl(urlsplit(target).query)
    place = f"{parts[3]}/{parts[5]}"
    container = next((value for name, value in query if name == "container"), "app")
    rest = urlencode([pair for pair in query if pair[0] != "container"])
    kinds = {"log": "containerLogs", "exec": "exec", "attach": "attach", "portforward": "portForward"}
    suffix = "" if parts[6] == "portforward" else f"/{container}"
    return f"/{kinds[parts[6]]}/{place}{suffix}?{rest}"


async def _tunnel(node: Kubelet, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    node_reader, node_writer = await asyncio.open_unix_connection(str(node.site.socket("node")))
    node_writer.write(first)

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65536):
                target.write(chunk)
                await target.drain()
            target.write_eof()
        except (ConnectionError, OSError):
            return

    up = asyncio.ensure_future(copy(reader, node_writer))
    try:
        await copy(node_reader, writer)
    finally:
        up.cancel()
        await asyncio.wait((up,))
        node_writer.close()
