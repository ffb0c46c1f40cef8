"""Checksums of objects that were uploaded in parts: of the whole, or of the parts' checksums.

Source: Amazon S3 User Guide, "Checking object integrity", full object and composite checksum types.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from maru.components.aws_s3.engine.digests import checksum
from maru.components.aws_s3.errors import refusal

_FULL = ("CRC32", "CRC32C", "CRC64NVME")
_COMPOSITE = ("CRC32", "CRC32C", "SHA1", "SHA256")


def type_of_upload(algorithm: str, asked: object) -> str:
    """FULL_OBJECT or COMPOSITE; "" without an algorithm. Raises InvalidRequest for what does not go together."""
    if not algorithm:
        if asked is not None:
            text = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            raise refusal("InvalidRequest", text)
        return ""
    if asked is None:
        return "FULL_OBJECT" if algorithm not in _COMPOSITE else "COMPOSITE"
    kinds = {"FULL_OBJECT": _FULL, "COMPOSITE": _COMPOSITE}
    if asked not in kinds:
        raise refusal("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    if algorithm not in kinds[str(asked)]:
        text = f"The {asked} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        raise refusal("InvalidRequest", text)
    return str(asked)


def composite(algorithm: str, sums: Sequence[str]) -> str:
    """The checksum of the parts' checksums, and how many there are."""
    together = b"".join(base64.b64decode(value) for value in sums)
    return f"{checksum(algorithm, together)}-{len(sums)}"
