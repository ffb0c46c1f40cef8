"""Questions in, answers out: only what a server needs, straight on the bytes.

A reply repeats the question section byte for byte, so a client that mixes upper and lower case as a
protection (0x20) finds its own spelling; records of the name asked for point back to it.
Source: RFC 1035, section 4; RFC 6891, section 6.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from maru.wire.dns.names import BadName, skip_name

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
INTERNET = 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_NAME, NOT_IMPLEMENTED, REFUSED = 0, 1, 2, 3, 4, 5
BAD_VERSION = 16

UDP_BYTES_DEFAULT = 512
UDP_BYTES_MAX = 1232  # what passes everywhere without fragments (DNS flag day 2020)
TCP_BYTES_MAX = 65535

_REPLY, _AUTHORITATIVE, _TRUNCATED, _RECURSION_WANTED, _RECURSION_OFFERED = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_CHECKING_DISABLED = 0x0010
_HEADER = struct.Struct(">HHHHHH")
_QUESTION_NAME = b"\xc0\x0c"
_RECORD = struct.Struct(">HHIH")


class BadMessage(ValueError):
    """Bytes that are no question. `reply` is the answer to send, b"" for none."""

    def __init__(self, why: str, reply: bytes = b"") -> None:
        super().__init__(why)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Question:
    """One query. name: lower case; section: the question as it was spelt; payload_bytes: 0 without EDNS."""

    identifier: int
    flags: int
    name: bytes
    kind: int
    category: int
    section: bytes
    payload_bytes: int
    wants_signatures: bool

    @property
    def udp_bytes_max(self) -> int:
        """How long a UDP answer may be."""
        return max(UDP_BYTES_DEFAULT, min(self.payload_bytes, UDP_BYTES_MAX))

    @property
    def cache_key(self) -> bytes:
        """What makes two questions have the same answer."""
        options = (2 if self.wants_signatures else 0) | (1 if self.flags & _CHECKING_DISABLED else 0)
        edns = 4 if self.payload_bytes else 0
        return self.name + struct.pack(">HHB", self.kind, self.category, options | edns)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say. Records are whole, in wire form; records of the name asked for begin with its pointer."""

    code: int = NO_ERROR
    answers: Sequence[bytes] = ()
    authority: Sequence[bytes] = ()
    additional: Sequence[bytes] = ()
    is_authoritative: bool = True


def parse_question(message: bytes) -> Question:
    """Read a query. Raises BadMessage, with the reply to send if one is due."""
    if len(message) < 12:
        raise BadMessage("shorter than a header")
    identifier, flags, questions, answers, authority, additional = _HEADER.unpack_from(message)
    if flags & _REPLY:
        raise BadMessage("a reply, not a query")
    bare = _HEADER.pack(identifier, _reply_flags(flags), 0, 0, 0, 0)
    if flags & 0x7800:
        raise BadMessage("not a standard query", _with_code(bare, NOT_IMPLEMENTED))
    if questions != 1:
        raise BadMessage(f"{questions} questions", _with_code(bare, FORMAT_ERROR))
    try:
        name_end = skip_name(message, 12)
        kind, category = struct.unpack_from(">HH", message, name_end)
        name = message[12:name_end].lower()
        if name_end - 12 > 255 or name[-1] != 0:
            raise BadName("compressed or too long")
        payload_bytes, edns_version, wants_signatures = _edns(message, name_end + 4, answers + authority + additional)
    except (BadName, struct.error, IndexError) as error:
        raise BadMessage(str(error), _with_code(bare, FORMAT_ERROR)) from error
    section = message[12 : name_end + 4]
    question = Question(identifier, flags, name, kind, category, section, payload_bytes, wants_signatures)
    if edns_version:
        raise BadMessage("EDNS version", encode_reply(question, Answer(BAD_VERSION, is_authoritative=False)))
    return question


def encode_reply(question: Question, answer: Answer, bytes_max: int = TCP_BYTES_MAX) -> bytes:
    """The reply; over `bytes_max` whole records are left off, and TC says so unless only additional ones were."""
    flags = _reply_flags(question.flags) | (answer.code & 15)
    if answer.is_authoritative:
        flags |= _AUTHORITATIVE
    option = _option(answer.code) if question.payload_bytes else b""
    room = bytes_max - 12 - len(question.section) - len(option)
    parts = [question.section]
    counts = [0, 0, 0]
    for number, section in enumerate((answer.answers, answer.authority, answer.additional)):
        for record in section:
            if len(record) > room:
                if number < 2:
                    flags |= _TRUNCATED
                room = -1
                break
            parts.append(record)
            counts[number] += 1
            room -= len(record)
    header = _HEADER.pack(question.identifier, flags, 1, counts[0], counts[1], counts[2] + bool(option))
    return b"".join((header, *parts, option))


def encode_query(identifier: int, name: bytes, kind: int) -> bytes:
    """A recursive query with EDNS."""
    header = _HEADER.pack(identifier, _RECURSION_WANTED, 1, 0, 0, 1)
    return header + name + struct.pack(">HH", kind, INTERNET) + _option(0)


def is_truncated(reply: bytes) -> bool:
    """Whether the reply says that TCP has more."""
    return len(reply) > 2 and bool(reply[2] << 8 & _TRUNCATED)


def record(kind: int, ttl_s: int, content: bytes, name: bytes = _QUESTION_NAME) -> bytes:
    """A record in wire form; without `name` it is of the name asked for."""
    return name + _RECORD.pack(kind, INTERNET, ttl_s, len(content)) + content


def service_content(port: int, target: bytes, *, priority: int = 0, weight: int = 100) -> bytes:
    """The content of an SRV record."""
    return struct.pack(">HHH", priority, weight, port) + target


def text_content(text: str) -> bytes:
    """The content of a TXT record with one string of at most 255 bytes."""
    raw = text.encode()
    return bytes([len(raw)]) + raw


def authority_content(server: bytes, mailbox: bytes, serial: int, negative_s: int) -> bytes:
    """The content of a SOA record; negative_s: how long "there is none" may be kept."""
    return server + mailbox + struct.pack(">IIIII", serial, 7200, 1800, 86400, negative_s)


def _reply_flags(flags: int) -> int:
    return _REPLY | _RECURSION_OFFERED | flags & (0x7800 | _RECURSION_WANTED | _CHECKING_DISABLED)


def _with_code(header: bytes, code: int) -> bytes:
    return header[:3] + bytes([header[3] | code]) + header[4:]


def _option(code: int) -> bytes:
    return b"\0" + struct.pack(">HHBBHH", OPT, UDP_BYTES_MAX, code >> 4, 0, 0, 0)


def _edns(message: bytes, offset: int, records: int) -> tuple[int, int, bool]:
    """(payload bytes, version, wants signatures); zeros without EDNS."""
    for _ in range(records):
        offset = skip_name(message, offset)
        kind, payload, _, version, flags, length = struct.unpack_from(">HHBBHH", message, offset)
        if kind == OPT:
            return max(payload, UDP_BYTES_DEFAULT), version, bool(flags & 0x8000)
        offset += 10 + length
    return 0, 0, False
