"""The checksums of S3 uploads, fed piece by piece: crc32, crc32c, crc64nvme, sha1, sha256.

Source: Amazon S3 User Guide, "Checking object integrity"; aws-c-checksums for the two the standard
library lacks.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Protocol

ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5")
PREFIX = "x-amz-checksum-"


class Checksum(Protocol):
    """A checksum in the making."""

    def update(self, piece: bytes) -> None: ...

    def text(self) -> str:
        """In base64, as headers and trailers have it."""
        ...


class _Digest:
    def __init__(self, name: str) -> None:
        self._digest = hashlib.new(name, usedforsecurity=False)

    def update(self, piece: bytes) -> None:
        self._digest.update(piece)

    def text(self) -> str:
        return base64.b64encode(self._digest.digest()).decode()


class _Cyclic:
    def __init__(self, function: Callable[[bytes, int], int], width_bytes: int) -> None:
        self._function = function
        self._width_bytes = width_bytes
        self._value = 0

    def update(self, piece: bytes) -> None:
        self._value = self._function(piece, self._value)

    def text(self) -> str:
        return base64.b64encode(self._value.to_bytes(self._width_bytes)).decode()


def checksum(name: str) -> Checksum | None:
    """A new checksum of the algorithm, or None for one there is not."""
    if name in ("sha1", "sha256", "md5"):
        return _Digest(name)
    if name == "crc32":
        return _Cyclic(zlib.crc32, 4)
    if name in ("crc32c", "crc64nvme"):
        from awscrt import checksums

        function: Callable[[bytes, int], int] = checksums.crc32c if name == "crc32c" else checksums.crc64nvme
        return _Cyclic(function, 4 if name == "crc32c" else 8)
    return None
