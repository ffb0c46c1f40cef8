"""The fake client and the remote one, by the common suite; and what the wire adds."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from maru.core.client import Clients, PatchKind
from maru.core.clock import SystemClock
from maru.core.errors import (
    AlreadyExists,
    Broken,
    Conflict,
    Deadline,
    Denied,
    Gone,
    Invalid,
    MaruError,
    NotFound,
    NotSupported,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from maru.core.remote import Credentials, RemoteClients
from maru.core.remote_status import error_of
from maru.kinds.resources import CONFIGMAPS, PODS, SERVICEACCOUNTS
from tests.fakes import FakeClients
from tests.fakes.api_server import FakeApiServer
from tests.suites.client import ClientSuite, config, gathered, pod


class TestFakeClient(ClientSuite):
    @pytest.fixture
    def clients(self) -> Clients:
        return FakeClients()


@pytest.fixture
def server() -> FakeApiServer:
    return FakeApiServer(FakeClients(), PODS, CONFIGMAPS, SERVICEACCOUNTS)


@pytest.fixture
async def clients(server: FakeApiServer, tmp_path: Path) -> AsyncIterator[RemoteClients]:
    path = tmp_path / "api.sock"
    async with server.listening(path), RemoteClients.over_socket(path) as clients:
        yield clients


class TestRemoteClient(ClientSuite):
    @pytest.fixture
    def clients(self, clients: RemoteClients) -> Clients:
        return clients


async def test_identity_is_sent_as_impersonation(server: FakeApiServer, clients: RemoteClients) -> None:
    client = clients.acting_as("system:node:n1", ["system:nodes", "extra"])
    await client.create(CONFIGMAPS, config("a"))
    assert server.api.acts[0].user == "system:node:n1"
    assert server.requests[0].headers.getall("Impersonate-Group") == ["system:nodes", "extra"]
    await clients.acting_as("").get(CONFIGMAPS, "default", "a")
    assert "Impersonate-User" not in server.requests[1].headers


async def test_list_keeps_the_bytes_as_the_server_sent_them(server: FakeApiServer, clients: RemoteClients) -> None:
    await server.api.put(PODS, {**pod("a"), "spec": {"note": 'é ☃ \\ "', "number": 1e3}})
    page = await clients.acting_as("t").list(PODS)
    assert page.documents[0].body == server.api.store.list("pods").documents[0].body


async def test_bookmark_moves_the_version_on(server: FakeApiServer, clients: RemoteClients) -> None:
    server.bookmark_s = 0.01
    client = clients.acting_as("t")
    since = (await client.list(PODS)).version
    await client.create(CONFIGMAPS, config("a"))
    async with client.watch(PODS, since=since) as batches:
        batch = await anext(batches)
    assert [(change.kind, change.document, change.version) for change in batch] == [
        ("BOOKMARK", None, server.api.store.version)
    ]


async def test_watch_from_a_forgotten_revision_is_gone(server: FakeApiServer, clients: RemoteClients) -> None:
    client = clients.acting_as("t")
    await client.create(CONFIGMAPS, config("a"))
    await server.api.store.compact(server.api.store.version)
    with pytest.raises(Gone):
        async with client.watch(CONFIGMAPS, since=1) as batches:
            await anext(batches)


async def test_watch_that_is_cut_off_while_it_runs_is_gone(server: FakeApiServer, clients: RemoteClients) -> None:
    client = clients.acting_as("t")
    since = server.api.store.version
    async with client.watch(CONFIGMAPS, since=since) as batches:
        await client.create(CONFIGMAPS, config("a"))
        assert len(await gathered(batches, 1)) == 1
        (watch,) = server.api.store._watches["configmaps"]
        watch._lagged_at = 9
        watch._wake()
        with pytest.raises(Gone):
            await anext(batches)


async def test_many_large_changes_arrive_whole_and_in_order(server: FakeApiServer, clients: RemoteClients) -> None:
    client = clients.acting_as("t")
    since = server.api.store.version
    async with client.watch(CONFIGMAPS, since=since) as batches:
        for number in range(40):
            await server.api.put(CONFIGMAPS, config(f"{number:03}", text="x\n" * 50_000))
        changes = await gathered(batches, 40)
    assert [change.document and change.document.key.name for change in changes] == [f"{n:03}" for n in range(40)]
    assert changes[-1].document is not None
    assert len(changes[-1].document.value["data"]["text"]) == 100_000


async def test_left_watch_closes_its_connection_and_the_client_goes_on(
    server: FakeApiServer, clients: RemoteClients
) -> None:
    client = clients.acting_as("t")
    for _ in range(3):
        async with client.watch(PODS, since=server.api.store.version):
            pass
    async with asyncio.timeout(5):
        while True:
            await server.api.put(PODS, pod("a"))
            if not server.api.store._watches["pods"]:
                break
            await asyncio.sleep(0)
    assert [d.key.name for d in (await client.list(PODS)).documents] == ["a"]


async def test_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with RemoteClients.over_socket(tmp_path / "none.sock") as clients:
        client = clients.acting_as("t")
        with pytest.raises(Unavailable):
            await client.get(PODS, "default", "a")
        with pytest.raises(Unavailable):
            async with client.watch(PODS, since=1):
                pass


async def test_server_that_answers_nonsense_is_broken(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>")
        await writer.drain()
        writer.close()

    path = tmp_path / "api.sock"
    async with await asyncio.start_unix_server(answer, str(path)), RemoteClients.over_socket(path) as clients:
        with pytest.raises(Broken):
            await clients.acting_as("t").get(PODS, "default", "a")


async def test_connection_cut_in_the_middle_of_a_watch_is_unavailable(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{")
        await writer.drain()
        writer.close()

    path = tmp_path / "api.sock"
    async with await asyncio.start_unix_server(answer, str(path)), RemoteClients.over_socket(path) as clients:
        with pytest.raises(Unavailable):
            async with clients.acting_as("t").watch(PODS, since=1) as batches:
                await anext(batches)


async def test_patch_says_its_kind(server: FakeApiServer, clients: RemoteClients) -> None:
    client = clients.acting_as("owner")
    await client.create(CONFIGMAPS, config("a"))
    await client.patch(CONFIGMAPS, "default", "a", {"data": {"x": "1"}}, kind=PatchKind.APPLY, force=True)
    request = server.requests[-1]
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert dict(request.query) == {"fieldManager": "owner", "force": "true"}


@pytest.mark.parametrize(
    ("reason", "code", "kind"),
    [
        ("NotFound", 404, NotFound),
        ("AlreadyExists", 409, AlreadyExists),
        ("Conflict", 409, Conflict),
        ("Invalid", 422, Invalid),
        ("BadRequest", 400, Invalid),
        ("Forbidden", 403, Denied),
        ("Unauthorized", 401, Unauthenticated),
        ("Expired", 410, Gone),
        ("TooManyRequests", 429, Throttled),
        ("RequestEntityTooLarge", 413, TooLarge),
        ("ServiceUnavailable", 503, Unavailable),
        ("Timeout", 504, Deadline),
        ("MethodNotAllowed", 405, NotSupported),
        ("InternalError", 500, Broken),
        ("", 403, Denied),
        ("", 409, Conflict),
        ("SomethingNew", 503, Unavailable),
    ],
)
def test_status_becomes_the_closest_error(reason: str, code: int, kind: type[MaruError]) -> None:
    body = f'{{"kind":"Status","reason":"{reason}","code":{code},"message":"why not"}}'.encode()
    for http_code in (code, 0):
        error = error_of(http_code, body, "/api")
        assert type(error) is kind
        assert error.why == "why not"


def test_details_of_a_status_are_kept() -> None:
    body = (
        b'{"reason":"Invalid","details":{"name":"a","retryAfterSeconds":7,'
        b'"causes":[{"field":"spec.x","reason":"FieldValueRequired","message":"Required value"}]}}'
    )
    error = error_of(422, body, "/api")
    assert error.details["retry_after_s"] == 7
    assert error.details["causes"] == [{"field": "spec.x", "reason": "FieldValueRequired", "message": "Required value"}]
    assert error_of(429, b"slow down", "/api", "3").details == {"retry_after_s": 3}
    assert error_of(502, b"<html>", "/api").why == "<html>"


async def test_unreadable_credentials_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    files = Credentials(*[tmp_path / "empty.pem"] * 3)
    with pytest.raises(Unauthenticated):
        async with RemoteClients.over_tls("https://127.0.0.1:1", files):
            pass


async def test_over_tls_both_sides_are_verified(server: FakeApiServer, tmp_path: Path) -> None:
    files, others = make_credentials(tmp_path / "ours"), make_credentials(tmp_path / "others")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.authority))
    context.load_cert_chain(str(files.certificate), str(files.key))
    context.verify_mode = ssl.CERT_REQUIRED
    async with server.listening_tls(context) as port:
        url = f"https://127.0.0.1:{port}"
        async with RemoteClients.over_tls(url, files) as clients:
            await clients.acting_as("").create(CONFIGMAPS, config("a"))
            assert (await clients.acting_as("").get(CONFIGMAPS, "default", "a"))["data"] == {}
        for wrong in (others, Credentials(files.authority, others.certificate, others.key)):
            async with RemoteClients.over_tls(url, wrong) as clients:
                with pytest.raises(Unavailable):
                    await clients.acting_as("").get(CONFIGMAPS, "default", "a")
    assert len(server.requests) == 2


def make_credentials(folder: Path) -> Credentials:
    """A certificate for 127.0.0.1 that signs itself, so it is its own authority."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Credentials(folder / "ca.pem", folder / "client.pem", folder / "client.key")
    for path in (files.authority, files.certificate):
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
