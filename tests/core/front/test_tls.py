"""TLS over loopback with certificates of a real authority: who shows one is seen, who shows a foreign one is not let in."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from maru.core.clock import SystemClock
from maru.core.errors import Broken
from maru.core.front.listener import TcpListener
from maru.core.front.message import TAKEN, Answer
from maru.core.front.server import serve
from maru.core.front.tls import ServerTls
from maru.core.identity.ca import CertificateAuthority, Credential
from maru.core.identity.certificate import read_certificate


class House:
    """An authority, a server certificate, and clients of it."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = CertificateAuthority.open_blocking(folder / "ca", SystemClock())
        self.put_server("first")
        self.tls = ServerTls(folder / "server.crt", folder / "server.key", folder / "ca" / "ca.crt")

    def put_server(self, name):
        credential = self.authority.issue_server(name, ["localhost"], ["127.0.0.1"])
        (self.folder / "server.crt").write_bytes(credential.certificate)
        (self.folder / "server.key").write_bytes(credential.key)

    def client(self, credential: Credential | None = None, alpn=("h2", "http/1.1")) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.bundle.decode())
        context.set_alpn_protocols(list(alpn))
        if credential is not None:
            certificate, key = self.folder / "client.crt", self.folder / "client.key"
            certificate.write_bytes(credential.certificate)
            key.write_bytes(credential.key)
            context.load_cert_chain(certificate, key)
        return context


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


async def tell_caller(request):
    if not request.peer.certificate:
        return Answer(200, b"nobody")
    caller = read_certificate(request.peer.certificate).caller
    return Answer(200, f"{caller.name} {','.join(caller.groups)}".encode())


async def get(dial, front, context):
    reader, writer = await dial(front, ssl=context)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    return answer.partition(b"\r\n\r\n")[2].decode(), writer


async def test_client_certificate_names_the_caller(start, dial, house):
    front = await start(tell_caller, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    context = house.client(house.authority.issue_client("jane", ["team:a", "team:b"]))
    body, _ = await get(dial, front, context)
    assert body == "jane team:a,team:b"


async def test_client_without_a_certificate_is_served(start, dial, house):
    front = await start(tell_caller, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    body, _ = await get(dial, front, house.client())
    assert body == "nobody"


async def test_client_that_offers_http2_gets_http1(start, dial, house):
    front = await start(tell_caller, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    _, writer = await dial(front, ssl=house.client())
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_certificate_of_another_authority_is_refused(start, dial, house, tmp_path):
    front = await start(tell_caller, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    stranger = CertificateAuthority.open_blocking(tmp_path / "other", SystemClock())
    with pytest.raises((ssl.SSLError, ConnectionError)):
        body, _ = await get(dial, front, house.client(stranger.issue_client("jane", ["system:masters"])))
        raise ConnectionError(body) if body == "" else AssertionError(body)


async def test_reloaded_certificate_is_shown_to_new_connections(start, dial, house):
    front = await start(tell_caller, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    names = []
    for name in ("first", "second"):
        house.put_server(name)
        house.tls.reload()
        _, writer = await dial(front, ssl=house.client())
        names.append(dict(part[0] for part in writer.get_extra_info("peercert")["subject"])["commonName"])
    assert names == ["first", "second"]


async def test_damaged_certificate_is_refused_and_the_old_one_stays(start, dial, house):
    front = await start(tell_caller, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    (house.folder / "server.crt").write_text("nonsense")
    with pytest.raises(Broken, match=r"server\.crt"):
        house.tls.reload()
    body, _ = await get(dial, front, house.client())
    assert body == "nobody"


async def test_upgrade_works_over_tls(start, dial, house):
    async def handler(request):
        duplex = await request.upgrade({"Connection": "Upgrade", "Upgrade": "SPDY/3.1"})
        while chunk := await duplex.read():
            await duplex.write(chunk.upper())
            if chunk.endswith(b"!"):
                break
        return TAKEN

    front = await start(handler, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    reader, writer = await dial(front, ssl=house.client())
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.write(b"x" * 500_000 + b"!")
    assert await asyncio.wait_for(reader.read(), 10) == b"X" * 500_000 + b"!"


async def test_plain_http_on_the_tls_port_is_closed(start, dial, house):
    front = await start(tell_caller, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    reader, writer = await dial(front)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        if b"HTTP" not in await asyncio.wait_for(reader.read(), 5):
            raise ConnectionError


async def test_client_that_never_shakes_hands_is_cut_off(start, dial, house, monkeypatch):
    monkeypatch.setattr("maru.core.front.server.HANDSHAKE_S", 0.05)
    front = await start(tell_caller, listeners=[TcpListener("127.0.0.1", 0, house.tls)])
    reader, _ = await dial(front)
    assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_plain_http_and_tls_share_a_port(start, dial, house):
    async def tell(request):
        return Answer(200, b"secure" if request.peer.is_secure else b"plain")

    front = await start(tell, listeners=[TcpListener("127.0.0.1", 0, house.tls, takes_plain=True)])
    told = [(await get(dial, front, context))[0] for context in (None, house.client(), None, house.client())]
    assert told == ["plain", "secure", "plain", "secure"]


async def test_who_says_nothing_on_a_shared_port_hinders_nobody_and_is_gone_with_it(start, dial, house):
    async with serve([TcpListener("127.0.0.1", 0, house.tls, takes_plain=True)], tell_caller) as front:
        silent, _ = await dial(front)
        assert (await get(dial, front, None))[0] == "nobody"
        _, cut = await dial(front)
        cut.write(b"\x16\x03\x01")
        cut.close()
        assert (await get(dial, front, house.client()))[0] == "nobody"
    assert await asyncio.wait_for(silent.read(), 5) == b""
