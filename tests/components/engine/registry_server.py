"""A small registry on loopback: it serves images made in the test, with whatever trouble the test asks for."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from maru.contracts.image_store import RegistryAuth
from maru.wire.oci.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def layer_tar(files: dict[str, bytes], entries: list[tarfile.TarInfo] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for entry in entries or []:
            tar.addfile(entry)
    return buffer.getvalue()


@dataclass
class RegistryServer:
    """blobs and manifests by digest or tag; cut_after: bytes of a blob's first answer before the line breaks.

    algorithm, architecture: of the digests of what is put here, and of its images.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    auths: dict[str, RegistryAuth] = field(default_factory=dict)
    scheme: str = "bearer"
    cut_after: dict[str, int] = field(default_factory=dict)
    ranges: list[str] = field(default_factory=list)
    gets: Counter[str] = field(default_factory=Counter)
    host: str = ""
    algorithm: str = "sha256"
    architecture: str = "amd64"
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> RegistryServer:
        app = web.Application()
        app.router.add_get("/v2/", self._ping)
        app.router.add_get("/token", self._token)
        app.router.add_get(r"/v2/{name:.+}/manifests/{version}", self._manifest)
        app.router.add_get(r"/v2/{name:.+}/blobs/{digest}", self._blob)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.host = f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Answer no more; its address refuses connections from now on."""
        assert self._runner is not None
        await self._runner.cleanup()

    def put_image(self, path: str, layers: list[bytes], *, auth: RegistryAuth | None = None, **config: Any) -> str:
        """Serve an image of uncompressed layers (sent gzipped) at path:tag; its whole reference."""
        name, _, tag = path.partition(":")
        packed = [gzip.compress(layer, 1, mtime=0) for layer in layers]
        for blob in packed:
            self.blobs[self._digest(blob)] = blob
        document = json.dumps(
            {
                "architecture": self.architecture,
                "os": "linux",
                "created": "2026-01-01T00:00:00Z",
                "config": config or {"Cmd": ["sh"]},
                "rootfs": {"type": "layers", "diff_ids": [self._digest(layer) for layer in layers]},
            }
        ).encode()
        self.blobs[self._digest(document)] = document
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": DOCKER_MANIFEST,
                "config": {"mediaType": "x", "digest": self._digest(document), "size": len(document)},
                "layers": [{"mediaType": "y", "digest": self._digest(blob), "size": len(blob)} for blob in packed],
            }
        ).encode()
        for version in (tag, self._digest(manifest)):
            self.manifests[f"{name}:{version}"] = (manifest, DOCKER_MANIFEST)
        if auth is not None:
            self.auths[name] = auth
        return f"{self.host}/{path}"

    def put_index(self, path: str, platforms: dict[str, str]) -> str:
        """Serve an index at path:tag: architecture to the tag of an image of the same name."""
        name, _, tag = path.partition(":")
        entries = []
        for architecture, other in platforms.items():
            manifest = self.manifests[f"{name}:{other}"][0]
            platform = {"architecture": architecture, "os": "linux"}
            entry = {"mediaType": OCI_MANIFEST, "digest": self._digest(manifest), "size": len(manifest)}
            entries.append(entry | {"platform": platform})
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        self.manifests[f"{name}:{tag}"] = (index, OCI_INDEX)
        return f"{self.host}/{path}"

    def _digest(self, content: bytes) -> str:
        return digest_of(content, self.algorithm)

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="{}")

    async def _token(self, request: web.Request) -> web.Response:
        name = request.query["scope"].split(":")[1]
        auth = self.auths.get(name)
        if auth is not None and request.headers.get("Authorization") != _basic(auth):
            return web.json_response({"errors": [{"message": "bad credentials"}]}, status=401)
        return web.json_response({"token": f"token-for-{name}"})

    async def _manifest(self, request: web.Request) -> web.StreamResponse:
        name, version = request.match_info["name"], request.match_info["version"]
        refused = self._refused(request, name)
        if refused is not None:
            return refused
        found = self.manifests.get(f"{name}:{version}")
        if found is None:
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}, status=404)
        return web.Response(body=found[0], content_type=found[1])

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        name, digest = request.match_info["name"], request.match_info["digest"]
        refused = self._refused(request, name)
        if refused is not None:
            return refused
        self.gets[digest] += 1
        content = self.blobs[digest]
        wanted = request.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted:
            self.ranges.append(wanted)
        cut = self.cut_after.pop(digest, None)
        if cut is None:
            return web.Response(body=content[start:], status=206 if wanted else 200)
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[:cut])
        assert request.transport is not None
        request.transport.close()
        return response

    def _refused(self, request: web.Request, name: str) -> web.Response | None:
        auth = self.auths.get(name)
        if auth is None:
            return None
        given = request.headers.get("Authorization", "")
        if self.scheme == "basic":
            wanted, challenge = _basic(auth), 'Basic realm="registry"'
        else:
            wanted = f"Bearer token-for-{name}"
            challenge = f'Bearer realm="http://{self.host}/token",service="test",scope="repository:{name}:pull"'
        if given == wanted:
            return None
        return web.json_response({"errors": [{"message": "no"}]}, status=401, headers={"WWW-Authenticate": challenge})


def _basic(auth: RegistryAuth) -> str:
    return "Basic " + base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()
