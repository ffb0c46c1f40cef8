"""Upgraded connections go to the node and back, byte for byte, also after one side has closed."""

import asyncio

from maru.core.front.listener import TcpListener
from maru.core.front.server import serve

PODS = "/api/v1/namespaces/default/pods"


async def test_an_exec_is_spliced_with_half_close(api, account, tmp_path):
    heads = []

    async def node(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\nhello ")
        while chunk := await reader.read(1024):
            writer.write(chunk.upper())
        writer.write(b"END")
        await writer.drain()
        writer.close()

    (tmp_path / "run").mkdir(exist_ok=True)
    listening = await asyncio.start_unix_server(node, str(tmp_path / "run" / "node.sock"))
    value = {"metadata": {"name": "p"}, "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}}
    await api.must_do("POST", PODS, value)
    async with listening, serve([TcpListener("127.0.0.1", 0)], api.server.edge.answer) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.ports[0])
        writer.write(f"GET {PODS}/p/exec?command=sh&stdin=true&stdout=true HTTP/1.1\r\nHost: x\r\n".encode())
        writer.write(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n")
        writer.write(b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n")
        async with asyncio.timeout(5):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith("HTTP/1.1 101") and "Sec-WebSocket-Protocol: v5.channel.k8s.io" in head
            writer.write(b"abc")
            assert await reader.readexactly(9) == b"hello ABC"
            writer.write_eof()
            assert await reader.read() == b"END"
        writer.close()
    assert heads[0].startswith("GET /exec/default/p/c?command=sh&input=1&output=1 HTTP/1.1\r\n")
    assert "Sec-WebSocket-Key: k" in heads[0]


async def test_a_refused_upgrade_is_passed_back_as_it_is(api, account, tmp_path):
    async def node(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")
        await writer.drain()
        writer.close()

    (tmp_path / "run").mkdir(exist_ok=True)
    listening = await asyncio.start_unix_server(node, str(tmp_path / "run" / "node.sock"))
    value = {"metadata": {"name": "p"}, "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}}
    await api.must_do("POST", PODS, value)
    headers = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")]
    async with listening:
        answer = await api.answer("POST", f"{PODS}/p/attach?stdout=1", headers=headers)
    assert (answer.status, answer.body) == (404, b"gone")


async def test_a_node_that_is_away_is_unavailable(api, account):
    value = {"metadata": {"name": "p"}, "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}}
    await api.must_do("POST", PODS, value)
    status = await api.must_refuse(503, "GET", f"{PODS}/p/log")
    assert status["reason"] == "ServiceUnavailable"
