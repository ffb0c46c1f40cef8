"""How much a container has written. Source: moby daemon/list.go, layer size of overlay2."""

from __future__ import annotations

from pathlib import Path

from maru.components.docker.engine.volume_files import size_blocking


def sizes_blocking(root: str, image_bytes: int) -> tuple[int, int]:
    """Bytes of the writable layer, and with the image."""
    written = size_blocking(str(Path(root).parent / "upper"))
    return written, written + image_bytes
