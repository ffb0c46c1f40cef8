"""Domain names between text and wire form. Source: RFC 1035, sections 2.3 and 3.1."""

from __future__ import annotations

LABEL_BYTES_MAX = 63
NAME_BYTES_MAX = 255
ROOT = b"\0"


class BadName(ValueError):
    """A name that cannot be: a label too long or empty, or the whole too long."""


def encode_name(text: str) -> bytes:
    """`text` (a final dot makes no difference) in wire form, lower case. Raises BadName."""
    wire = bytearray()
    for label in text.rstrip(".").split(".") if text.strip(".") else ():
        raw = label.encode("idna") if not label.isascii() else label.encode()
        if not 0 < len(raw) <= LABEL_BYTES_MAX:
            raise BadName(f"label of {len(raw)} bytes in {text!r}")
        wire.append(len(raw))
        wire += raw.lower()
    wire.append(0)
    if len(wire) > NAME_BYTES_MAX:
        raise BadName(f"{text!r} takes {len(wire)} bytes")
    return bytes(wire)


def decode_name(name: bytes) -> str:
    """For people: without escapes, with a final dot."""
    labels: list[str] = []
    offset = 0
    while offset < len(name) and name[offset]:
        end = offset + 1 + name[offset]
        labels.append(name[offset + 1 : end].decode("ascii", "replace"))
        offset = end
    return ".".join(labels) + "."


def parents_of(name: bytes) -> list[bytes]:
    """All names above, nearest first, the root last."""
    found: list[bytes] = []
    offset = 0
    while name[offset]:
        offset += 1 + name[offset]
        found.append(name[offset:])
    return found


def is_within(name: bytes, zone: bytes) -> bool:
    """Whether `name` is `zone` or stands below it."""
    return name == zone or zone in parents_of(name)


def reverse_name(address: str) -> bytes:
    """Where the PTR record of an IPv4 address stands."""
    return encode_name(".".join(reversed(address.split("."))) + ".in-addr.arpa")


def skip_name(message: bytes, offset: int) -> int:
    """The offset after a name that may be compressed. Raises BadName."""
    while offset < len(message):
        length = message[offset]
        if length == 0:
            return offset + 1
        if length & 0xC0 == 0xC0:
            return offset + 2
        if length & 0xC0:
            break
        offset += 1 + length
    raise BadName("a name runs out of the message")
