"""A container made an image: its changes as one more layer on the image it came from.

The layer is kept as it was written, uncompressed, so its digest and its diff id are one.
Source: OCI image specification 1.1, config.md `history`; docker commit's reference.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.components.engine.engine.content import Content, Pin, digest_of_blocking
from maru.components.engine.engine.index import Stored
from maru.components.engine.engine.transfer import Pulled
from maru.contracts.image_store import Commit
from maru.core.document import Value
from maru.wire.oci.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, parse_manifest, platform_of


async def made(content: Content, base: Stored | None, commit: Commit, pin: Pin) -> Pulled:
    """Keep layer, configuration and manifest. The layer's file is moved. Raises Invalid, OSError."""
    fresh = [await _kept(content, Path(commit.layer), pin)] if commit.layer else []
    old: Value = msgspec.json.decode(content.blob(base.id).read_bytes()) if base else _empty()
    config = msgspec.json.encode(_config(old, commit, [each.digest for each in fresh]))
    config_digest = await asyncio.to_thread(content.put_blocking, config)
    layers = [*_layers(content, base), *fresh]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor(OCI_CONFIG, config_digest, len(config)),
        "layers": layers,
    }
    manifest = await asyncio.to_thread(content.put_blocking, msgspec.json.encode(document))
    pin(config_digest, manifest)
    total = len(config) + sum(each.size for each in layers)
    blobs = (config_digest, *(each.digest for each in layers))
    return Pulled(
        config_digest, manifest, "", blobs, (*(base.layers if base else ()), *(each.digest for each in fresh)), total
    )


async def _kept(content: Content, layer: Path, pin: Pin) -> Descriptor:
    size_bytes = layer.stat().st_size
    digest = await asyncio.to_thread(digest_of_blocking, layer)
    pin(digest)
    await asyncio.to_thread(content.adopt_blocking, layer, digest)
    await content.unpack(digest, digest)
    return Descriptor(OCI_LAYER, digest, size_bytes)


def _empty() -> Value:
    platform = platform_of(os.uname().machine)
    rootfs = {"type": "layers", "diff_ids": []}
    return {"architecture": platform.architecture, "os": platform.os, "rootfs": rootfs, "history": []}


def _config(old: Value, commit: Commit, digests: Sequence[str]) -> Value:
    step = {
        "created": commit.created,
        "created_by": commit.created_by,
        "comment": commit.comment,
        "author": commit.author,
        "empty_layer": not digests,
    }
    return {
        **old,
        **_origin(commit),
        "config": dict(commit.config),
        "created": commit.created,
        "author": commit.author,
        "rootfs": {"type": "layers", "diff_ids": [*old["rootfs"]["diff_ids"], *digests]},
        "history": [*(old.get("history") or ()), *commit.steps, {key: value for key, value in step.items() if value}],
    }


def _origin(commit: Commit) -> Value:
    if not commit.container:
        return {}
    return {"container": commit.container, "container_config": dict(commit.container_config)}


def _layers(content: Content, base: Stored | None) -> list[Descriptor]:
    if base is None:
        return []
    manifest = parse_manifest(content.blob(base.manifest).read_bytes())
    return list(getattr(manifest, "layers", ()))
