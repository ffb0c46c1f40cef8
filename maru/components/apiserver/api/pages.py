"""Paths outside of resources: discovery, OpenAPI, version, health, OpenID, metrics.

What is made from the catalog is kept, with its ETag, until the catalog changes.
Source: Kubernetes API concepts, "API discovery" and "OpenAPI"; Kubernetes docs, "API health endpoints".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from maru.components.apiserver.api import answers
from maru.components.apiserver.api.openapi import OpenApi
from maru.components.apiserver.api.render import finish
from maru.components.apiserver.errors import method_not_allowed
from maru.components.apiserver.model.catalog import Catalog
from maru.components.apiserver.model.negotiate import DISCOVERY_LIST, Form, choose
from maru.core.access import Caller
from maru.core.document import Value
from maru.core.front.message import Answer, Request
from maru.wire.k8s import discovery
from maru.wire.k8s.schema import ResourceInfo

_SHAPES = frozenset({DISCOVERY_LIST})
_NO_SHAPES: frozenset[str] = frozenset()
_READING = frozenset({"GET", "HEAD"})
MINOR = "36"
VERSION: Mapping[str, str] = {
    "major": "1",
    "minor": MINOR,
    "emulationMajor": "1",
    "emulationMinor": MINOR,
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": f"v1.{MINOR}.0+maru",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
PATHS = (
    "/.well-known/openid-configuration",
    "/api",
    "/api/v1",
    "/apis",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/readyz",
    "/version",
)


@dataclass(frozen=True, slots=True)
class Sources:
    """What pages show. address: host:port of the API server, for /api. ready: whether the server is.

    jwks, openid: the documents of the token issuer. metrics: the text exposition.
    """

    address: str
    ready: Callable[[], bool]
    jwks: Callable[[], Value]
    openid: Callable[[], Value]
    metrics: Callable[[], str]


class Pages:
    """Answers for everything that is no resource."""

    def __init__(self, catalog: Catalog, openapi: OpenApi, sources: Sources) -> None:
        self._catalog = catalog
        self._openapi = openapi
        self._sources = sources
        self._kept: dict[tuple[str, Form], tuple[int, bytes, str]] = {}

    async def answer(self, request: Request, caller: Caller) -> Answer:
        """404 in plain text for a path that nothing serves."""
        path = "/" + request.path.strip("/")
        if request.method not in _READING:
            raise method_not_allowed()
        if path == "/":
            return answers.of_value({"paths": self._paths()})
        if path == "/version":
            return answers.of_value(dict(VERSION))
        if path in {"/api", "/apis"} or path.startswith(("/api/", "/apis/")):
            return self._discovery(request, path)
        if path.startswith("/openapi/"):
            return await self._openapi.answer(request, path)
        return self._small(request, path)

    def _small(self, request: Request, path: str) -> Answer:
        head, _, check = path.lstrip("/").partition("/")
        if head in ("healthz", "livez", "readyz"):
            return self._health(request, head, check)
        if path == "/openid/v1/jwks":
            body = msgspec.json.encode(self._sources.jwks())
            headers = {"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=3600"}
            return Answer(200, body, headers)
        if path == "/.well-known/openid-configuration":
            body = msgspec.json.encode(self._sources.openid())
            return Answer(200, body, {"Content-Type": "application/json", "Cache-Control": "public, max-age=3600"})
        if path == "/metrics":
            return answers.of_text(self._sources.metrics())
        return answers.of_text("404 page not found\n", 404)

    def _health(self, request: Request, head: str, check: str) -> Answer:
        is_ready = self._sources.ready() or head == "livez"
        checks = {"ping": True, "log": True, "etcd": is_ready, "poststarthook/bootstrap": is_ready}
        if check:
            if check not in checks:
                return answers.of_text("404 page not found\n", 404)
            return answers.of_text("ok" if checks[check] else "failed", 200 if checks[check] else 500)
        is_good = all(checks.values())
        is_wordy = any(name == "verbose" for name, _ in request.query)
        if is_good and not is_wordy:
            return answers.of_text("ok", headers={"X-Content-Type-Options": "nosniff"})
        lines = [f"[{'+' if good else '-'}]{name} {'ok' if good else 'failed'}" for name, good in checks.items()]
        lines.append(f"{head} check {'passed' if is_good else 'failed'}")
        return answers.of_text("\n".join(lines) + "\n", 200 if is_good else 500)

    def _discovery(self, request: Request, path: str) -> Answer:
        is_root = path in ("/api", "/apis")
        form = choose(request.headers.get("Accept", ""), _SHAPES if is_root else _NO_SHAPES)
        kept = self._kept.get((path, form))
        if kept is None or kept[0] != self._catalog.generation:
            value = self._made(path, form)
            if value is None:
                return answers.of_text("404 page not found\n", 404)
            body = finish(msgspec.json.encode(value), form.media)
            kept = (self._catalog.generation, body, etag_of(body))
            if len(self._kept) > 4 * len(self._catalog.all):
                self._kept.clear()
            self._kept[path, form] = kept
        headers = {"Content-Type": form.content_type, "Vary": "Accept"}
        if is_root and form.shape:
            headers |= {"ETag": kept[2], "Cache-Control": "public"}
            if request.headers.get("If-None-Match", "").strip() == kept[2]:
                return Answer(304, b"", headers)
        return Answer(200, kept[1], headers)

    def _made(self, path: str, form: Form) -> Value | None:
        resources = self._catalog.entries
        if form.shape:
            return discovery.aggregated(resources, core=path == "/api", version=form.version)
        parts = path.strip("/").split("/")
        if parts == ["api"]:
            return discovery.api_versions(self._sources.address)
        if parts == ["apis"]:
            return discovery.api_group_list(resources)
        if parts[0] == "api" and len(parts) == 2:
            return discovery.api_resource_list(resources, "", parts[1], self._stored_as())
        if parts[0] == "apis" and len(parts) == 2:
            return discovery.api_group(resources, parts[1])
        if parts[0] == "apis" and len(parts) == 3:
            return discovery.api_resource_list(resources, parts[1], parts[2], self._stored_as())
        return None

    def _stored_as(self) -> dict[ResourceInfo, str]:
        kept = [one for one in self._catalog.all if not one.is_virtual]
        return {one.entry: f"{one.stored.group}/{one.stored.version}/{one.stored.kind}" for one in kept}

    def _paths(self) -> list[str]:
        groups = {f"/apis/{entry.group}" for entry in self._catalog.entries if entry.group}
        versions = {f"/apis/{entry.group}/{entry.version}" for entry in self._catalog.entries if entry.group}
        return sorted({*PATHS, *groups, *versions})


def etag_of(body: bytes) -> str:
    """A strong ETag."""
    return f'"{hashlib.sha512(body).hexdigest().upper()}"'
