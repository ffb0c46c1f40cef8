"""The front over loopback: what handlers see, how streams and slow clients end, how it shuts down."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import weakref

import aiohttp
import pytest
from aiohttp import web

from maru.core.errors import Denied, Unavailable
from maru.core.front.connection import Connection
from maru.core.front.listener import TcpListener, UnixListener
from maru.core.front.message import TAKEN, Answer
from maru.core.front.server import Bounds, serve
from maru.core.log import Log


async def head_of(reader: asyncio.StreamReader) -> str:
    return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()


async def test_handler_sees_the_request_as_it_was_sent(start, dial):
    seen = {}

    async def handler(request):
        seen.update(
            method=request.method,
            path=request.path,
            raw=request.raw_target,
            query=list(request.query),
            first=request.query_get("a"),
            missing=request.query_get("zz", "none"),
            tags=list(request.header_all("X-Tag")),
            host=request.headers["host"],
            body=await request.body(10),
        )
        return Answer(201, b"made", {"Content-Type": "text/plain"})

    front = await start(handler)
    reader, writer = await dial(front)
    writer.write(
        b"POST /a%20b?a=1&a=2&c=%2F+x&d= HTTP/1.1\r\nHost: here\r\nX-Tag: one\r\nX-Tag: two\r\nContent-Length: 5\r\n\r\nhello"
    )
    head = await head_of(reader)
    assert head.startswith("HTTP/1.1 201 Created\r\n")
    assert await reader.readexactly(4) == b"made"
    assert seen == {
        "method": "POST",
        "path": "/a b",
        "raw": "/a%20b?a=1&a=2&c=%2F+x&d=",
        "query": [("a", "1"), ("a", "2"), ("c", "/ x"), ("d", "")],
        "first": "1",
        "missing": "none",
        "tags": ["one", "two"],
        "host": "here",
        "body": b"hello",
    }


async def test_connection_is_kept_for_the_next_request(start, dial):
    async def handler(request):
        return Answer(200, request.path.encode())

    reader, writer = await dial(await start(handler))
    for path in ("/one", "/two"):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await head_of(reader)
        assert await reader.readexactly(4) == path.encode()


async def test_body_over_the_bound_is_refused_before_it_is_read(start, dial):
    async def handler(request):
        await request.body(10)
        raise AssertionError("not reached")

    reader, writer = await dial(await start(handler))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n")
    assert (await head_of(reader)).startswith("HTTP/1.1 413")


async def test_chunked_body_over_the_bound_is_refused(start, dial):
    async def handler(request):
        await request.body(10)
        raise AssertionError("not reached")

    reader, writer = await dial(await start(handler))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n")
    assert (await head_of(reader)).startswith("HTTP/1.1 413")


async def test_body_that_comes_too_slowly_is_a_deadline(start, dial):
    async def handler(request):
        await request.body(10)
        raise AssertionError("not reached")

    reader, writer = await dial(await start(handler, Bounds(body_s=0.05)))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
    assert (await head_of(reader)).startswith("HTTP/1.1 504")


async def test_head_that_never_ends_is_cut_off(start, dial):
    async def handler(request):
        raise AssertionError("not reached")

    reader, writer = await dial(await start(handler, Bounds(idle_s=0.05)))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_headers_over_the_bound_are_refused(start, dial):
    async def handler(request):
        raise AssertionError("not reached")

    reader, writer = await dial(await start(handler))
    fields = "".join(f"X-{number}: {'v' * 4000}\r\n" for number in range(20))
    writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
    assert (await head_of(reader)).startswith("HTTP/1.1 431")


async def test_bytes_that_are_no_text_break_nothing(start, dial):
    async def handler(request):
        return Answer(200, f"{request.path} {request.query}".encode())

    reader, writer = await dial(await start(handler))
    writer.write(b"GET /%ff?a=%ff HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await head_of(reader)).startswith("HTTP/1.1 200")
    assert b"\xef\xbf\xbd" in await reader.readuntil(b"]")
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Bytes: \xff\xfe\r\n\r\n")
    assert (await head_of(reader)).startswith("HTTP/1.1 400")


async def test_garbage_is_answered_with_400_and_closed(start, dial):
    async def handler(request):
        raise AssertionError("not reached")

    reader, writer = await dial(await start(handler))
    writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    assert (await head_of(reader)).startswith("HTTP/1.0 400")
    assert b"message" in await asyncio.wait_for(reader.read(), 5)


async def test_a_client_that_goes_with_its_body_unread_is_waited_for_no_longer(start, dial, monkeypatch):
    monkeypatch.setattr("maru.core.front.connection._LINGER_S", 60.0)

    async def handler(request):
        return Answer(403, b"no")

    reader, writer = await dial(await start(handler))
    before = asyncio.all_tasks()
    writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    await head_of(reader)
    (answering,) = (task for task in before if "Connection.start" in repr(task))
    assert not answering.done()
    writer.transport.abort()
    async with asyncio.timeout(5):
        await asyncio.wait([answering])


async def test_garbage_of_a_client_that_goes_meanwhile_harms_nobody():
    """Seen under uvloop, where bytes and their end may come in one turn."""

    class Closing(asyncio.Transport):
        def is_closing(self):
            return True

        def close(self):
            return None

    async def never(connection, message, payload):
        raise AssertionError("not reached")

    one, other = socket.socketpair()
    with one, other:
        connection = Connection(web.Server(never), never, 1.0, Log("front"), loop=asyncio.get_running_loop())
        connection.connection_made(Closing({"socket": one}))
        answering = connection._task_handler
        connection.data_received(b"no HTTP\r\n\r\n")
        await asyncio.wait_for(answering, 5)
        connection.connection_lost(None)


async def test_client_that_waits_for_continue_is_told_to(start, dial):
    async def handler(request):
        return Answer(200, await request.body(100))

    reader, writer = await dial(await start(handler))
    writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (await head_of(reader)).startswith("HTTP/1.1 100")
    writer.write(b"ok")
    assert (await head_of(reader)).startswith("HTTP/1.1 200")
    assert await reader.readexactly(2) == b"ok"


async def test_expected_failure_becomes_its_status(start):
    async def handler(request):
        raise Denied(what="pods", why="not yours", fix="ask")

    front = await start(handler)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{front.ports[0]}/") as answer:
        assert answer.status == 403
        assert (await answer.json())["why"] == "not yours"
    assert front.failures_total == 0


async def test_bug_in_a_handler_is_a_500_and_counted(start):
    async def handler(request):
        return {}["missing"]

    front = await start(handler)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{front.ports[0]}/") as answer:
        assert answer.status == 500
        assert "missing" not in await answer.text()
    assert front.failures_total == 1


async def test_stream_is_flushed_chunk_by_chunk_and_ends(start, dial):
    more = asyncio.Event()

    async def stream():
        yield b"first"
        await more.wait()
        yield b"second"

    async def handler(request):
        return Answer(200, stream(), {"Content-Type": "application/json"})

    reader, writer = await dial(await start(handler))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "transfer-encoding: chunked" in (await head_of(reader)).lower()
    assert await asyncio.wait_for(reader.readexactly(10), 5) == b"5\r\nfirst\r\n"
    more.set()
    assert await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5) == b"6\r\nsecond\r\n0\r\n\r\n"


async def test_headers_of_a_silent_stream_are_sent_at_once(start, dial):
    async def stream():
        await asyncio.Event().wait()
        yield b""

    async def handler(request):
        return Answer(200, stream())

    reader, writer = await dial(await start(handler))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await head_of(reader)).startswith("HTTP/1.1 200")


async def test_stream_is_closed_when_the_client_goes(start, dial):
    closed = asyncio.Event()

    async def stream():
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(request):
        return Answer(200, stream())

    reader, writer = await dial(await start(handler))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await head_of(reader)
    writer.close()
    assert await asyncio.wait_for(closed.wait(), 5)


async def test_stream_that_fails_is_not_ended_properly(start, dial):
    async def stream():
        yield b"first"
        raise Unavailable(what="the log", why="it is gone", fix="")

    async def handler(request):
        return Answer(200, stream())

    reader, writer = await dial(await start(handler))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await head_of(reader)
    assert await asyncio.wait_for(reader.read(), 5) == b"5\r\nfirst\r\n"


async def test_client_that_does_not_read_is_cut_off(start, dial):
    closed = asyncio.Event()

    async def stream():
        try:
            while True:
                yield b"x" * 100_000
        finally:
            closed.set()

    async def handler(request):
        return Answer(200, stream())

    _, writer = await dial(await start(handler, Bounds(stall_s=0.1, shutdown_grace_s=0.5)))
    writer.transport.pause_reading()
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await asyncio.wait_for(closed.wait(), 5)


async def test_stream_is_closed_also_while_it_waits_for_the_client_to_read(start, dial):
    class Endless:
        def __init__(self):
            self.closed = asyncio.Event()

        def __aiter__(self):
            return self

        async def __anext__(self):
            return b"x" * 100_000

        async def aclose(self):
            self.closed.set()

    stream = Endless()

    async def handler(request):
        return Answer(200, stream)

    _, writer = await dial(await start(handler, Bounds(stall_s=0.1, shutdown_grace_s=0.5)))
    writer.transport.pause_reading()
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await asyncio.wait_for(stream.closed.wait(), 5)


async def test_stream_waits_for_a_slow_reader(start, dial):
    made = 0
    first = asyncio.Event()

    async def stream():
        nonlocal made
        while True:
            made += 100_000
            first.set()
            yield b"x" * 100_000
            await asyncio.sleep(0)

    async def handler(request):
        return Answer(200, stream())

    _, writer = await dial(await start(handler))
    writer.transport.pause_reading()
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(first.wait(), 5)
    for _ in range(2000):  # far more turns of the loop than fill the socket's buffers
        await asyncio.sleep(0)
    assert 0 < made < 50_000_000


async def test_handler_is_cancelled_when_the_client_goes(start, dial):
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request):
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    front = await start(handler)
    _, writer = await dial(front)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(asked.wait(), 5)
    assert front.in_flight == 1
    writer.close()
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_too_many_requests_in_flight_are_told_to_come_again(start):
    free = asyncio.Event()
    asked = asyncio.Event()

    async def handler(request):
        asked.set()
        await free.wait()
        return Answer(200)

    front = await start(handler, Bounds(in_flight_max=1))
    url = f"http://127.0.0.1:{front.ports[0]}/"
    async with aiohttp.ClientSession() as session:
        first = asyncio.create_task(session.get(url).__aenter__())
        await asked.wait()
        async with session.get(url) as second:
            assert second.status == 429
            assert second.headers["Retry-After"] == "1"
        free.set()
        assert (await first).status == 200


@pytest.mark.parametrize("protocol", ["SPDY/3.1", "websocket", "tcp"])
async def test_any_protocol_can_be_upgraded_to_and_echoes(start, dial, protocol):
    async def handler(request):
        assert request.headers["Upgrade"] == protocol
        duplex = await request.upgrade({"Connection": "Upgrade", "Upgrade": protocol, "X-Stream": "v4"})
        while chunk := await duplex.read():
            await duplex.write(chunk.upper())
        await duplex.write(b"bye")
        await duplex.close()
        return TAKEN

    reader, writer = await dial(await start(handler))
    writer.write(
        f"POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    head = await head_of(reader)
    assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
    assert f"Upgrade: {protocol}\r\n" in head
    assert "X-Stream: v4" in head
    for part in (b"hello", b"GET / HTTP/1.1\r\n\r\n", b"x" * 3_000_000):
        writer.write(part)
        assert await asyncio.wait_for(reader.readexactly(len(part)), 10) == part.upper()
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b"bye"


@pytest.mark.parametrize("protocol", ["SPDY/3.1", "websocket", "tcp"])
async def test_bytes_sent_right_behind_an_upgrade_are_kept(start, dial, protocol):
    async def handler(request):
        duplex = await request.upgrade({"Connection": "Upgrade", "Upgrade": "tcp"})
        await duplex.write(await duplex.read())
        return TAKEN

    reader, writer = await dial(await start(handler))
    head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
    writer.write(head.encode() + b"early")
    await head_of(reader)
    assert await asyncio.wait_for(reader.read(), 5) == b"early"


async def test_upgrade_with_a_body_hands_both_over(start, dial):
    async def handler(request):
        body = await request.body(100)
        duplex = await request.upgrade({"Connection": "Upgrade", "Upgrade": "tcp"})
        await duplex.write(body + await duplex.read())
        return TAKEN

    reader, writer = await dial(await start(handler))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 4\r\n\r\nbody")
    await head_of(reader)
    writer.write(b"more")
    assert await asyncio.wait_for(reader.read(), 5) == b"bodymore"


async def test_declined_upgrade_leaves_an_http_connection(start, dial):
    async def handler(request):
        return Answer(200, request.path.encode())

    reader, writer = await dial(await start(handler))
    for _ in range(2):
        writer.write(
            b"GET /one HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
            b"GET /two HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        for path in (b"/one", b"/two"):
            await head_of(reader)
            assert await reader.readexactly(4) == path


async def test_upgraded_handler_sees_the_end_when_the_client_goes(start, dial):
    outcome = asyncio.Queue()

    async def handler(request):
        duplex = await request.upgrade({"Connection": "Upgrade", "Upgrade": "tcp"})
        await outcome.put(await duplex.read())
        try:
            while True:
                await duplex.write(b"x" * 65536)
        except Unavailable:
            await outcome.put("unavailable")
        return TAKEN

    reader, writer = await dial(await start(handler))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    await head_of(reader)
    writer.transport.abort()
    assert await asyncio.wait_for(outcome.get(), 5) == b""
    assert await asyncio.wait_for(outcome.get(), 5) == "unavailable"


async def test_shutdown_ends_streams_properly_and_closes_upgrades(dial):
    ended = []

    async def stream():
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ended.append("stream")

    async def handler(request):
        if request.path == "/watch":
            return Answer(200, stream())
        duplex = await request.upgrade({"Connection": "Upgrade", "Upgrade": "tcp"})
        ended.append(await duplex.read())
        return TAKEN

    async with serve([TcpListener("127.0.0.1", 0)], handler) as front:
        watch_reader, watch_writer = await dial(front)
        watch_writer.write(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
        await head_of(watch_reader)
        await watch_reader.readexactly(10)
        taken_reader, taken_writer = await dial(front)
        taken_writer.write(b"GET /t HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        await head_of(taken_reader)
    assert sorted(ended, key=str) == [b"", "stream"]
    assert await asyncio.wait_for(watch_reader.read(), 5) == b"0\r\n\r\n"
    assert await asyncio.wait_for(taken_reader.read(), 5) == b""


async def test_shutdown_lets_a_handler_finish(dial):
    asked, free = asyncio.Event(), asyncio.Event()

    async def handler(request):
        asked.set()
        await free.wait()
        return Answer(200, b"done")

    async with serve([TcpListener("127.0.0.1", 0)], handler) as front:
        reader, writer = await dial(front)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        asyncio.get_running_loop().call_later(0.05, free.set)
    assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"done")


async def test_shutdown_cancels_a_handler_that_stays(dial):
    asked = asyncio.Event()

    async def handler(request):
        asked.set()
        await asyncio.Event().wait()

    async with serve([TcpListener("127.0.0.1", 0)], handler, bounds=Bounds(shutdown_grace_s=0.05)) as front:
        reader, writer = await dial(front)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert len(asyncio.all_tasks()) == 1


async def test_taken_port_names_the_port_and_the_offset(start):
    async def handler(request):
        return Answer(200)

    front = await start(handler)
    with pytest.raises(Unavailable) as raised:
        async with serve([TcpListener("127.0.0.1", 0), TcpListener("127.0.0.1", front.ports[0])], handler):
            pass
    assert str(front.ports[0]) in raised.value.what
    assert "--port-offset" in raised.value.fix


async def test_unix_socket_tells_who_connects_and_leaves_nothing(tmp_path):
    path = tmp_path / "api.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()

    async def handler(request):
        return Answer(200, f"{request.peer.user_id} {request.peer.address}".encode())

    async with serve([UnixListener(path)], handler):
        assert path.stat().st_mode & 0o777 == 0o600
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession(connector=connector) as session, session.get("http://unix/") as answer:
            assert await answer.text() == f"{os.getuid()} {path}"
        with pytest.raises(Unavailable, match="another process listens"):
            async with serve([UnixListener(path)], handler):
                pass
        assert path.exists()
    assert not path.exists()


async def test_address_that_does_not_exist_yet_can_be_bound(start):
    async def handler(request):
        return Answer(200)

    with pytest.raises(Unavailable, match="no such address"):
        await start(handler, listeners=[TcpListener("198.51.100.7", 0)])
    front = await start(handler, listeners=[TcpListener("198.51.100.7", 0, may_be_absent=True)])
    assert front.ports[0] > 0


async def test_head_request_gets_no_body(start, dial):
    async def stream():
        yield b"never"

    async def handler(request):
        return Answer(200, stream() if request.path == "/s" else b"body")

    reader, writer = await dial(await start(handler))
    writer.write(b"HEAD /s HTTP/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 5)).count(b"\r\n\r\n") == 2


async def test_a_refusal_before_the_body_was_asked_for_closes_the_connection(start, dial):
    async def refuse(request):
        return Answer(403, b"no")

    front = await start(refuse)
    reader, writer = await dial(front)
    writer.write(b"PUT /a HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    head = await head_of(reader)
    assert head.startswith("HTTP/1.1 403")
    assert "connection: close" in head.lower()


async def test_requests_sent_at_once_are_answered_in_turn_and_the_last_one_closes(start, dial):
    async def handler(request):
        return Answer(200, await request.body(10) + request.path.encode())

    reader, writer = await dial(await start(handler))
    first = b"PUT /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
    writer.write(first + b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    bodies = [part.split(b"\r\n\r\n")[-1] for part in (await asyncio.wait_for(reader.read(), 5)).split(b"HTTP/1.1 ")]
    assert bodies == [b"", b"ab/1", b"/2", b"/3"]


async def test_a_handler_may_have_the_connection_closed(start, dial):
    async def handler(request):
        return Answer(200, b"bye", {"Connection": "close"})

    reader, writer = await dial(await start(handler))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    whole = await asyncio.wait_for(reader.read(), 5)
    assert whole.endswith(b"bye") and whole.lower().count(b"connection:") == 1


@pytest.mark.parametrize("said", ["4", "6"])
async def test_stream_of_another_length_than_its_head_says_ends_the_connection(start, dial, said):
    async def stream():
        yield b"hello"

    async def handler(request):
        return Answer(200, stream(), {"Content-Length": said})

    reader, writer = await dial(await start(handler))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    whole = await asyncio.wait_for(reader.read(), 5)
    assert len(whole.partition(b"\r\n\r\n")[2]) < max(int(said), 5)


async def test_a_line_break_in_a_header_never_reaches_the_client(start, dial):
    async def handler(request):
        return Answer(200, b"ok", {"X-Name": "a\r\nSet-Cookie: b"})

    front = await start(handler)
    reader, writer = await dial(front)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    whole = await asyncio.wait_for(reader.read(), 5)
    assert whole.startswith(b"HTTP/1.1 500 ") and b"Set-Cookie" not in whole
    assert front.failures_total == 1


@pytest.mark.parametrize(
    ("asked", "answer", "told"),
    [
        ("GET / HTTP/1.1", Answer(204, b"", {"Content-Length": "0"}), ("HTTP/1.1 204 No Content", "")),
        ("GET / HTTP/1.1", Answer(304), ("HTTP/1.1 304 Not Modified", "")),
        ("HEAD / HTTP/1.1", Answer(200, b"", {"Content-Length": "1024"}), ("HTTP/1.1 200 OK", "1024")),
        ("HEAD / HTTP/1.1", Answer(200, b"body"), ("HTTP/1.1 200 OK", "4")),
        ("GET / HTTP/1.0", Answer(200, b"body"), ("HTTP/1.0 200 OK", "4")),
        ("GET / HTTP/1.1", Answer(299, b""), ("HTTP/1.1 299", "0")),
    ],
)
async def test_the_head_says_how_the_body_ends(start, dial, asked, answer, told):
    async def handler(request):
        return answer

    reader, writer = await dial(await start(handler))
    writer.write(f"{asked}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    assert (status, fields.get("Content-Length", "")) == told
    assert fields["Server"] == "Maru" and fields["Date"].endswith(" GMT")
    assert body == ("" if asked.startswith("HEAD") else answer.body.decode())


async def test_nothing_of_an_upload_is_kept_once_its_client_has_gone(start, dial):
    seen: list[weakref.ref[object]] = []
    came, ended = asyncio.Event(), asyncio.Event()

    async def handler(request):
        seen.append(weakref.ref(request))
        try:
            async for _ in request.chunks():
                came.set()
        finally:
            ended.set()
        return Answer(200)

    _, writer = await dial(await start(handler))
    gc.collect()
    gc.disable()  # what only a collection finds is kept until one is due, and bodies do not count towards it
    try:
        writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"y" * 50000)
        await asyncio.wait_for(came.wait(), 5)
        writer.transport.abort()
        await asyncio.wait_for(ended.wait(), 5)
        async with asyncio.timeout(5):
            while seen[0]() is not None:
                await asyncio.sleep(0)
    finally:
        gc.enable()
    assert seen[0]() is None
