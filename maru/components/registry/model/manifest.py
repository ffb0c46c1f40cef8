"""A manifest as a registry reads it: what it refers to, and what it says of itself.

Any configuration and any layers will do, so artifacts are taken as images are.
Source: OCI image specification 1.1, manifest.md, image-index.md; distribution specification, "Pushing Manifests".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from maru.wire.oci.digest import is_digest
from maru.wire.oci.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    urls: list[str] | None = None


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: int
    media_type: str = ""
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    artifact_type: str = ""
    annotations: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """media_type: what it is served as. blobs, manifests: digests that must be in its repository.

    subject: the digest it is about, "" for none; it need not be there. artifact_type: as referrers show it.
    """

    media_type: str
    blobs: Sequence[str]
    manifests: Sequence[str]
    subject: str
    artifact_type: str
    annotations: Mapping[str, str]


def describe(body: bytes, content_type: str) -> Described:
    """Read a manifest that is pushed as `content_type` ("" lets it speak for itself). Raises ValueError."""
    try:
        document = msgspec.json.decode(body, type=_Document)
    except msgspec.MsgspecError as error:
        raise ValueError(f"malformed manifest: {error}") from error
    if document.schema_version != 2:
        raise ValueError(f"schema version {document.schema_version} is not supported")
    pushed = content_type.partition(";")[0].strip()
    if pushed and document.media_type and pushed != document.media_type:
        raise ValueError(f"it says it is {document.media_type}, but was pushed as {pushed}")
    shape = OCI_INDEX if document.manifests is not None else OCI_MANIFEST
    media_type = pushed or document.media_type or shape
    if media_type in INDEXES and document.manifests is not None and document.layers is None:
        blobs: Sequence[_Descriptor] = ()
    elif media_type in MANIFESTS and document.config is not None and document.manifests is None:
        # What has addresses of its own is fetched from there and need not be here.
        blobs = [document.config, *(layer for layer in document.layers or () if not layer.urls)]
    else:
        raise ValueError(f"it is no {media_type}")
    subject = document.subject.digest if document.subject else ""
    manifests = [each.digest for each in document.manifests or ()]
    for digest in (*(each.digest for each in blobs), *manifests, *([subject] if subject else ())):
        if not is_digest(digest):
            raise ValueError(f"malformed digest {digest!r}")
    config_type = document.config.media_type if document.config else ""
    return Described(
        media_type=media_type,
        blobs=list(dict.fromkeys(each.digest for each in blobs)),
        manifests=list(dict.fromkeys(manifests)),
        subject=subject,
        artifact_type=document.artifact_type or config_type,
        annotations=document.annotations or {},
    )
