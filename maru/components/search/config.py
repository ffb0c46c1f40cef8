"""The knobs of search."""

from __future__ import annotations

from typing import Annotated

import msgspec

from maru.core.config import Config
from maru.core.site import PORT_ELASTIC


class SearchConfig(Config, frozen=True):
    """listen: address to bind, empty for the site's. port: 1..65535, before the site's offset; 0 does not listen.

    backend: "own", or "opensearch" to send the API through to the cluster at backend_url (http or https),
    as backend_user with backend_password if given. body_bytes_max: of one request (http.max_content_length).
    writer_bytes: memory of one index's writer before it writes a segment. docs_in_memory_max: how many
    documents one request may walk through in Python (the circuit breaker of what has no columns).
    path_repo: folders outside of Maru's own, comma-separated, in which snapshot repositories may lie.
    refresh_s: how soon a document is found, where an index does not say. sync_async_s: between two
    writes to disk of an index whose durability is async.
    """

    listen: str = ""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = PORT_ELASTIC
    backend: Annotated[str, msgspec.Meta(pattern="^(own|opensearch)$")] = "own"
    backend_url: str = ""
    backend_user: str = ""
    backend_password: str = ""
    path_repo: str = ""
    body_bytes_max: Annotated[int, msgspec.Meta(ge=1024, le=1 << 31)] = 100 * 1024 * 1024
    writer_bytes: Annotated[int, msgspec.Meta(ge=15_000_000, le=1 << 32)] = 48_000_000
    docs_in_memory_max: Annotated[int, msgspec.Meta(ge=1000, le=100_000_000)] = 1_000_000
    refresh_s: Annotated[float, msgspec.Meta(ge=0.05, le=3600.0)] = 1.0
    sync_async_s: Annotated[float, msgspec.Meta(ge=0.05, le=3600.0)] = 5.0
