"""How long an answer may be kept, and the same answer later: lifetimes counted down, for somebody else.

Source: RFC 1035, section 3.2.1 (TTL); RFC 2308, section 5 (negative answers live as long as the SOA says).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from maru.wire.dns.message import NO_ERROR, NO_NAME, OPT, SOA, Question
from maru.wire.dns.names import BadName, skip_name

_NEVER = 0
_TRUNCATED = 0x0200


@dataclass(frozen=True, slots=True)
class Lifetime:
    """ttl_s: how long the whole may be kept, 0 for not at all; offsets: where the TTL fields stand."""

    ttl_s: int
    offsets: tuple[int, ...]


def lifetime_of(message: bytes) -> Lifetime:
    """Of a reply. What is truncated, an error or malformed may not be kept."""
    try:
        _, flags, questions, answers, authority, additional = struct.unpack_from(">HHHHHH", message)
        code = flags & 15
        if code not in (NO_ERROR, NO_NAME) or flags & _TRUNCATED or questions != 1:
            return Lifetime(_NEVER, ())
        offset = skip_name(message, 12) + 4
        offsets: list[int] = []
        lives: list[int] = []
        negative_s = _NEVER
        for _ in range(answers + authority + additional):
            offset = skip_name(message, offset)
            kind, _, ttl_s, length = struct.unpack_from(">HHIH", message, offset)
            end = offset + 10 + length
            if kind != OPT:
                offsets.append(offset + 4)
                lives.append(ttl_s if ttl_s < 1 << 31 else 0)
            if kind == SOA:
                negative_s = min(ttl_s, struct.unpack_from(">I", message, end - 4)[0])
            offset = end
    except (struct.error, BadName, IndexError):
        return Lifetime(_NEVER, ())
    if code == NO_NAME or not answers:
        return Lifetime(negative_s, tuple(offsets))
    return Lifetime(min(lives), tuple(offsets))


def aged(message: bytes, lifetime: Lifetime, age_s: int, question: Question) -> bytes:
    """The kept reply for another asker: its identifier and spelling, and `age_s` less to live."""
    copy = bytearray(message)
    copy[0:2] = struct.pack(">H", question.identifier)
    copy[12 : 12 + len(question.section)] = question.section
    for offset in lifetime.offsets:
        left_s = max(struct.unpack_from(">I", copy, offset)[0] - age_s, 0)
        struct.pack_into(">I", copy, offset, left_s)
    return bytes(copy)


def is_reply_to(message: bytes, identifier: int, section: bytes) -> bool:
    """Whether the bytes answer this very question: what makes a forged answer hard."""
    if len(message) < 12 + len(section) or message[:2] != struct.pack(">H", identifier):
        return False
    return bool(message[2] & 0x80) and message[12 : 12 + len(section)].lower() == section.lower()
