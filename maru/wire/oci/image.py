"""The image configuration: how a container of the image starts, and what its layers are uncompressed.

Source: OCI image specification 1.1, config.md; the Docker additions `Healthcheck` and `Shell`.
"""

from __future__ import annotations

import msgspec


class RunConfig(msgspec.Struct, frozen=True, rename="pascal"):
    """`config` of an image: defaults for its containers. Null stands for absent everywhere."""

    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    env: list[str] | None = None
    working_dir: str | None = None
    user: str | None = None
    exposed_ports: dict[str, dict[str, object]] | None = None
    volumes: dict[str, dict[str, object]] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    healthcheck: dict[str, object] | None = None
    shell: list[str] | None = None


class RootFilesystem(msgspec.Struct, frozen=True):
    """diff_ids: digests of the uncompressed layers, lowest first."""

    diff_ids: list[str]
    type: str = "layers"


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """One build step; empty_layer: it made none."""

    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool = False


class ImageDocument(msgspec.Struct, frozen=True):
    """The whole configuration; its digest is the image's id."""

    architecture: str
    os: str
    rootfs: RootFilesystem
    config: RunConfig | None = None
    created: str | None = None
    author: str | None = None
    variant: str | None = None
    history: list[History] | None = None


def parse_image(document: bytes) -> ImageDocument:
    """Raises ValueError when it is no image configuration (an artifact's config has no layers)."""
    try:
        return msgspec.json.decode(document, type=ImageDocument)
    except msgspec.MsgspecError as error:
        raise ValueError(f"malformed image configuration: {error}") from error
