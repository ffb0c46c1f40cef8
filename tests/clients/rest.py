"""The Kubernetes API over TLS from asyncio, as the platform's administrator."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import ryaml

from tests.clients.platform import Platform


def tls_of(platform: Platform, folder: Path) -> ssl.SSLContext:
    """The administrator's client side; key files are put into `folder`."""
    config = ryaml.loads(platform.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode(),
    )
    for name in ("certificate", "key"):
        (folder / name).write_bytes(base64.b64decode(user[f"client-{name}-data"]))
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context


@asynccontextmanager
async def session(platform: Platform, folder: Path, connections: int = 16) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose paths are those of the API."""
    connector = aiohttp.TCPConnector(ssl=tls_of(platform, folder), limit=connections)
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(platform.server, connector=connector, timeout=timeout) as opened:
        yield opened
