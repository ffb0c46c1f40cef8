"""/portForward: connections of the client, continued from inside the Pod's network.

Source: k8s.io/kubelet/pkg/cri/streaming/portforward; containerd's port forwarder (localhost by IPv4,
then by IPv6).
"""

from __future__ import annotations

import asyncio
import socket

from maru.components.node.api.lookup import find_pod
from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.sandbox_maker import folder_of
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.streaming.interface import ForwardClient, ForwardedPort
from maru.components.node.streaming.upgrade import upgrade_forward
from maru.core.errors import NotFound, Unavailable
from maru.core.front.message import TAKEN, Answer, Request
from maru.linux.namespace_sockets import socket_in_blocking

CONNECT_S = 10.0
_READ_BYTES = 64 * 1024
_LOCAL = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


async def port_forward(workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]) -> Answer:
    """Serve connections until the client goes away."""
    worker = find_pod(pods, parts)
    sandbox = worker.memory.sandbox
    if sandbox is None:
        raise NotFound(what=f'pod "{parts["pod"]}"', why="its sandbox is not running", fix="")
    netns_path = ""
    if "net" in sandbox.kinds:
        netns_path = str(folder_of(workshop, worker.pod).namespaces(sandbox.id) / "net")
    client = await upgrade_forward(request)
    reader = asyncio.ensure_future(client.run())
    try:
        await _serve(client, netns_path, worker.memory.uid)
    finally:
        reader.cancel()
        await asyncio.wait((reader,))
        await client.close()
    return TAKEN


async def _serve(client: ForwardClient, netns_path: str, uid: str) -> None:
    connections: set[asyncio.Task[None]] = set()
    try:
        async for port in client.connections():
            task = asyncio.ensure_future(_forward(port, netns_path, uid))
            connections.add(task)
            task.add_done_callback(connections.discard)
    except Unavailable:
        pass
    finally:
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)


async def _forward(port: ForwardedPort, netns_path: str, uid: str) -> None:
    try:
        try:
            connection = await _connect(port.port, netns_path)
        except OSError as error:
            words = f"error forwarding port {port.port} to pod {uid}, uid : failed to connect to localhost:{port.port}"
            await port.fail(f"{words} inside the pod's network namespace: {error}")
            return
        with connection:
            await _copy(port, connection)
    finally:
        await port.close()


async def _connect(port: int, netns_path: str) -> socket.socket:
    """To localhost, by IPv4 or else IPv6. Raises OSError, of the first try."""
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, address in _LOCAL:
        try:
            made = await asyncio.to_thread(socket_in_blocking, netns_path, family)
        except OSError as error:
            failure = failure or error
            continue
        try:
            async with asyncio.timeout(CONNECT_S):
                await loop.sock_connect(made, (address, port))
        except OSError as error:  # a time-out is one
            made.close()
            failure = failure or error
        else:
            return made
    assert failure is not None
    raise failure


async def _copy(port: ForwardedPort, connection: socket.socket) -> None:
    """Both ways, until the Pod's side has ended; what the client ends is passed on as half-close."""
    loop = asyncio.get_running_loop()

    async def to_pod() -> None:
        try:
            while chunk := await port.read():
                await loop.sock_sendall(connection, chunk)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the Pod closed first

    async def to_client() -> None:
        try:
            while chunk := await loop.sock_recv(connection, _READ_BYTES):
                await port.write(chunk)
        except (OSError, Unavailable):
            return

    sending = asyncio.ensure_future(to_pod())
    try:
        await to_client()
    finally:
        sending.cancel()
        await asyncio.wait((sending,))
