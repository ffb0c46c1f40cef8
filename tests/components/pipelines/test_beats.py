"""A Beat's session as its own client holds it: windows of any size, compressed or not, over TLS, to a slow pipeline.

The client is a copy in behaviour of go-lumber's (version 2): a window, one frame for each event or one compressed frame
for all, then acknowledgements until the window's last number; 0 says that the server is alive.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from maru.components.pipelines.engine.inputs import beats
from maru.components.pipelines.model.definitions import PERSISTED, PipelineSpec
from maru.core.errors import Invalid
from tests.components.pipelines.house import Shelf, free_port, house_in
from tests.components.pipelines.test_house import CLOCK, until

TO_INDEX = 'output { elasticsearch { index => "i" document_id => "%{n}" } }'


class Client:
    """One connection of go-lumber's client."""

    def __init__(self, port: int, compression: int = 3, tls: ssl.SSLContext | None = None) -> None:
        self._port, self._compression, self._tls = port, compression, tls
        self.alive = 0  # acknowledgements of 0 that came

    async def connect(self) -> Client:
        async with asyncio.timeout(10):
            while True:
                try:
                    self.reader, self.writer = await asyncio.open_connection("localhost", self._port, ssl=self._tls)
                except ConnectionRefusedError:
                    await CLOCK.sleep(0.01)
                else:
                    return self

    def write(self, events: list[dict[str, Any]]) -> None:
        frames = b""
        for number, event in enumerate(events, 1):
            body = json.dumps(event).encode()
            frames += b"2J" + struct.pack(">II", number, len(body)) + body
        if self._compression:
            packed = zlib.compress(frames, self._compression)
            frames = b"2C" + struct.pack(">I", len(packed)) + packed
        self.writer.write(b"2W" + struct.pack(">I", len(events)) + frames)

    async def acknowledged(self, count: int) -> list[int]:
        """The numbers acknowledged until `count` is."""
        seen: list[int] = []
        async with asyncio.timeout(30):
            while not seen or seen[-1] < count:
                head = await self.reader.readexactly(6)
                assert head[:2] == b"2A"
                number = int.from_bytes(head[2:], "big")
                if number:
                    seen.append(number)
                else:
                    self.alive += 1
        return seen

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def numbered(count: int, first: int = 0) -> list[dict[str, Any]]:
    about = {"beat": "filebeat", "version": "8.19.0", "type": "_doc"}
    return [{"n": first + number, "message": "x", "@metadata": about} for number in range(count)]


@pytest.mark.parametrize("compression", [0, 3, 9])
async def test_windows_follow_one_another_on_one_connection(tmp_path: Path, compression: int) -> None:
    shelf, port = Shelf(), free_port()
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(f"input {{ beats {{ port => {port} }} }} {TO_INDEX}"))
        client = await Client(port, compression).connect()
        for turn in range(3):
            client.write(numbered(50, turn * 50))
            assert await client.acknowledged(50) == [50]
        assert len(shelf.documents) == 150
        await client.close()


async def test_a_large_window_is_acknowledged_part_by_part_in_its_order(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(f"input {{ beats {{ port => {port} }} }} {TO_INDEX}", batch_size=1000))
        client = await Client(port).connect()
        client.write(numbered(5000))
        assert await client.acknowledged(5000) == [2048, 4096, 5000]
        assert len(shelf.documents) == 5000
        await client.close()


async def test_a_sender_hears_that_a_slow_pipeline_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "KEEP_ALIVE_S", 0.02)
    shelf, port = Shelf(), free_port()
    shelf.failures = 3
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(f"input {{ beats {{ port => {port} }} }} {TO_INDEX}"))
        client = await Client(port).connect()
        client.write(numbered(2))
        assert await client.acknowledged(2) == [2]
        assert client.alive > 0
        await client.close()


async def test_what_was_not_acknowledged_comes_again_over_a_new_connection(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(f"input {{ beats {{ port => {port} }} }} {TO_INDEX}"))
        broken = await Client(port, 0).connect()
        broken.write(numbered(10))
        half = b"2W" + struct.pack(">I", 4) + b"2J" + struct.pack(">II", 1, 999)
        assert await broken.acknowledged(10) == [10]
        broken.writer.write(half)
        await broken.close()
        again = await Client(port).connect()
        again.write(numbered(4, 10))
        assert await again.acknowledged(4) == [4]
        assert len(shelf.documents) == 14
        await again.close()


async def test_a_restart_keeps_what_was_acknowledged_and_asks_for_the_rest(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    shelf.failures = 10**9
    spec = PipelineSpec(f"input {{ beats {{ port => {port} }} }} {TO_INDEX}", queue=PERSISTED)
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", spec)
        client = await Client(port).connect()
        client.write(numbered(3000))
        assert (await client.acknowledged(3000))[-1] == 3000
        await client.close()
        house.residents["main"].task.cancel()
        await asyncio.wait([house.residents["main"].task])
    shelf.failures = 0
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", spec)
        await until(lambda: len(shelf.documents) == 3000)


class Authority:
    """Makes certificates for a test; its own is `ca.pem`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.path = self._write("ca", self._name, self._key, is_authority=True)[0]

    def issue(self, name: str) -> tuple[Path, Path]:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._write(name, subject, ec.generate_private_key(ec.SECP256R1()), is_authority=False)

    def _write(
        self, name: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> tuple[Path, Path]:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self._key, hashes.SHA256())
        )  # fmt: skip
        paths = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return paths


async def test_only_who_shows_a_certificate_is_heard(tmp_path: Path) -> None:
    authority, port, shelf = Authority(tmp_path), free_port(), Shelf()
    certificate, key = authority.issue("server")
    config = f"""input {{ beats {{ port => {port} ssl_enabled => true ssl_certificate => "{certificate}" ssl_key => "{key}"
        ssl_certificate_authorities => ["{authority.path}"] ssl_client_authentication => required enrich => [all] }} }}
        filter {{ mutate {{ add_field => {{ "who" => "%{{[@metadata][input][beats][tls][client][subject]}}" }} }} }} {TO_INDEX}"""
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(config))
        known = ssl.create_default_context(cafile=str(authority.path))
        known.load_cert_chain(*authority.issue("agent"))
        client = await Client(port, tls=known).connect()
        client.write(numbered(1))
        assert await client.acknowledged(1) == [1]
        await client.close()
        stranger = Client(port, tls=ssl.create_default_context(cafile=str(authority.path)))
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await stranger.connect()
            stranger.write(numbered(1, 1))
            await stranger.acknowledged(1)
    assert [document["who"] for document in shelf.documents.values()] == ["commonName=agent"]


@pytest.mark.parametrize(
    "options",
    ["ssl_certificate => '/none'", "ssl_client_authentication => required", "ssl_client_authentication => maybe",
     "ssl_supported_protocols => ['SSLv3']"],
)  # fmt: skip
async def test_wrong_tls_options_are_refused_when_they_are_read(tmp_path: Path, options: str) -> None:
    certificate, key = Authority(tmp_path).issue("server")
    given = "" if "ssl_certificate =>" in options else f'ssl_certificate => "{certificate}"'
    text = f'input {{ beats {{ port => 1 ssl_enabled => true ssl_key => "{key}" {given} {options} }} }} {TO_INDEX}'
    async with house_in(tmp_path, Shelf()) as house:
        with pytest.raises(Invalid):
            await house.want("main", PipelineSpec(text))
