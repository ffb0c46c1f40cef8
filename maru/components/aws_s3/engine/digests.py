"""Digests of a stream: its MD5 and the checksums that S3 knows, fed piece by piece.

Source: Amazon S3 User Guide, "Checking object integrity"; awscrt computes CRC32C, CRC64NVME and the XXHash family.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

_CRC_BYTES: Mapping[str, int] = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8}


class _Hash(Protocol):
    def update(self, piece: bytes | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class Digests:
    """algorithms: the names of S3 (CRC32, SHA256 ...)."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._others = {name: _new(name) for name in algorithms}

    def update(self, piece: bytes | memoryview) -> None:
        """Take in the next bytes; over 64 KiB it belongs on a thread."""
        self._md5.update(piece)
        for digest in self._others.values():
            digest.update(piece)

    def md5(self) -> bytes:
        """16 bytes."""
        return self._md5.digest()

    def checksums(self) -> dict[str, str]:
        """By algorithm, in base64."""
        return {name: base64.b64encode(digest.digest()).decode() for name, digest in self._others.items()}


def checksum(algorithm: str, content: bytes) -> str:
    """Of bytes in memory, in base64."""
    digest = _new(algorithm)
    digest.update(content)
    return base64.b64encode(digest.digest()).decode()


def combined(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """The CRC of a whole from those of its parts (base64, size in bytes), in order."""
    from awscrt import checksums as crt

    combine: Callable[[int, int, int], int] = {
        "CRC32": crt.combine_crc32,
        "CRC32C": crt.combine_crc32c,
        "CRC64NVME": crt.combine_crc64nvme,
    }[algorithm]
    whole = 0
    for text, size_bytes in parts:
        whole = combine(whole, int.from_bytes(base64.b64decode(text), "big"), size_bytes)
    return base64.b64encode(whole.to_bytes(_CRC_BYTES[algorithm], "big")).decode()


def _new(algorithm: str) -> _Hash:
    match algorithm:
        case "SHA1" | "SHA256" | "SHA512" | "MD5":
            return hashlib.new(algorithm.lower(), usedforsecurity=False)
        case "CRC32":
            return _Crc(algorithm, zlib.crc32)
        case _:
            return _crt(algorithm)


def _crt(algorithm: str) -> _Hash:
    from awscrt import checksums as crt

    match algorithm:
        case "CRC32C":
            return _Crc(algorithm, crt.crc32c)
        case "CRC64NVME":
            return _Crc(algorithm, crt.crc64nvme)
        case "XXHASH64":
            return _Xx(crt.XXHash.new_xxhash64())
        case "XXHASH3":
            return _Xx(crt.XXHash.new_xxhash3_64())
        case "XXHASH128":
            return _Xx(crt.XXHash.new_xxhash3_128())
    raise AssertionError(f"no checksum {algorithm}")


class _Crc:
    def __init__(self, algorithm: str, step: Callable[..., int]) -> None:
        self._bytes = _CRC_BYTES[algorithm]
        self._step = step
        self._value = 0

    def update(self, piece: bytes | memoryview) -> None:
        self._value = self._step(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._bytes, "big")


class _XxHash(Protocol):
    def update(self, piece: bytes | memoryview) -> None: ...
    def finalize(self) -> bytes: ...


class _Xx:
    def __init__(self, state: _XxHash) -> None:
        self._state = state

    def update(self, piece: bytes | memoryview) -> None:
        self._state.update(piece)

    def digest(self) -> bytes:
        return self._state.finalize()
