"""Messages of an event stream: what SelectObjectContent answers with.

Each is a prelude (both lengths and their CRC), headers, a payload and a CRC of it all.
Source: Amazon S3 API reference, "SelectObjectContent", Response Syntax; Smithy, "Amazon Event Stream Specification".
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Mapping

_STRING = b"\x07"
_FRAME_BYTES = 16  # prelude and both checksums


def message(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """One message; header values are strings of at most 65,535 bytes."""
    told = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    total = _FRAME_BYTES + len(told) + len(payload)
    prelude = total.to_bytes(4, "big") + len(told).to_bytes(4, "big")
    front = prelude + crc32(prelude).to_bytes(4, "big") + told + payload
    return front + crc32(front).to_bytes(4, "big")


def event(kind: str, payload: bytes = b"", content_type: str = "") -> bytes:
    """A message of type event."""
    typed = {":content-type": content_type} if content_type else {}
    return message({":message-type": "event", ":event-type": kind, **typed}, payload)


def failure(code: str, text: str) -> bytes:
    """A message of type error: nothing follows it."""
    return message({":message-type": "error", ":error-code": code, ":error-message": text})


def _header(name: bytes, value: bytes) -> bytes:
    return len(name).to_bytes(1, "big") + name + _STRING + len(value).to_bytes(2, "big") + value
