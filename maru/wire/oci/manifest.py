"""Manifests and indexes: which blobs make an image, and which image is for which platform.

Docker's version 2 schema 2 has the same fields under its own media types.
Source: OCI image specification 1.1, manifest.md, image-index.md, descriptor.md; Docker image manifest v2 schema 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)

REFERENCE_ANNOTATION = "org.opencontainers.image.ref.name"
NAME_ANNOTATION = "io.containerd.image.name"
_SYSTEMS = frozenset({"linux", "windows", "darwin", "freebsd"})
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386", "armhf": "arm"}
MANIFEST_BYTES_MAX = 4 * 1024 * 1024  # what the distribution specification asks registries to take


class Platform(msgspec.Struct, frozen=True):
    """Where an image runs. variant: v7, v8 and so on for arm."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A blob by digest, with its size in bytes."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """One image: its config and its layers, lowest first."""

    config: Descriptor
    layers: list[Descriptor]
    media_type: str = OCI_MANIFEST
    schema_version: int = 2


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """Images of the same name for several platforms."""

    manifests: list[Descriptor]
    media_type: str = OCI_INDEX
    schema_version: int = 2


class _Probe(msgspec.Struct, rename="camel"):
    schema_version: int = 0
    media_type: str = ""
    manifests: msgspec.Raw = msgspec.Raw(b"")


def parse_manifest(document: bytes) -> Manifest | Index:
    """Either, by what it holds. Raises ValueError when it is neither (schema 1 is named as such)."""
    try:
        probe = msgspec.json.decode(document, type=_Probe)
        if probe.schema_version == 1:
            raise ValueError("image manifest version 2 schema 1 is no longer supported")
        if bytes(probe.manifests):
            return msgspec.json.decode(document, type=Index)
        return msgspec.json.decode(document, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ValueError(f"malformed manifest: {error}") from error


def choose(index: Index, wanted: Platform) -> Descriptor | None:
    """The image for `wanted`: the same variant first, then one without, then any of the architecture."""
    fitting = [
        descriptor
        for descriptor in index.manifests
        if descriptor.platform is not None
        and (descriptor.platform.os, descriptor.platform.architecture) == (wanted.os, wanted.architecture)
    ]
    for variants in ((wanted.variant,), ("",)):
        for descriptor in fitting:
            if descriptor.platform is not None and descriptor.platform.variant in variants:
                return descriptor
    if fitting:
        return fitting[0]
    unnamed = [descriptor for descriptor in index.manifests if descriptor.platform is None]
    return unnamed[0] if len(unnamed) == 1 and len(index.manifests) == 1 else None


def platform_of(machine: str) -> Platform:
    """The platform of a Linux machine as `uname -m` names it."""
    known = {
        "x86_64": Platform("amd64", "linux"),
        "aarch64": Platform("arm64", "linux", "v8"),
        "armv7l": Platform("arm", "linux", "v7"),
        "i686": Platform("386", "linux"),
    }
    return known.get(machine) or Platform(machine, "linux")


def platform_named(text: str, own: Platform) -> Platform:
    """A platform as people write it: linux/arm64/v8, arm64, linux. What is left out is `own`'s.

    Source: containerd platforms, Parse.
    """
    first, _, rest = text.lower().partition("/")
    if not rest:
        if first in _SYSTEMS:
            return Platform(own.architecture, first, own.variant)
        first, rest = own.os, first
    architecture, _, variant = rest.partition("/")
    architecture = _ALIASES.get(architecture, architecture)
    return Platform(architecture, first, variant or {"arm": "v7"}.get(architecture, ""))


def platforms(index: Index) -> Sequence[str]:
    """The platforms an index has, as os/architecture, for messages."""
    return [f"{entry.platform.os}/{entry.platform.architecture}" for entry in index.manifests if entry.platform]
