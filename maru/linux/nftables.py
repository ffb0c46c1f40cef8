"""nftables by its own netlink family: tables, chains, sets and elements in one transaction.

Functions build requests and touch nothing; `commit_blocking` runs them so that all take effect at
one instant or none does. Rules are lists of expressions (`nft_rules.py`). Requests are for an IPv4
table; `in_family` makes them those of an inet one, which sees both families.
Source: linux/netfilter/nf_tables.h, net/netfilter/nf_tables_api.c; numbers as `nft --debug=netlink` shows them.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from maru.linux.netlink import (
    CREATE,
    NetlinkSocket,
    Request,
    attribute,
    attributes,
    each_attribute,
    nested,
    text,
)

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _GET_TABLE, _DELETE_TABLE = 0, 1, 2
_NEW_CHAIN, _GET_CHAIN = 3, 4
_NEW_RULE = 6
_NEW_SET = 9
_NEW_ELEMENT, _GET_ELEMENT, _DELETE_ELEMENT = 12, 13, 14
_APPEND = 0x800

SET_INTERVAL, SET_MAP, SET_TIMEOUT, SET_EVAL, SET_CONCAT = 0x4, 0x8, 0x10, 0x20, 0x80
_VERDICT_TYPE = 0xFFFFFF00
DROP, ACCEPT, JUMP, GOTO, RETURN = 0, 1, -3, -4, -5

IPV4_ADDRESS, IPV6_ADDRESS, PROTOCOL, PORT, MARK, DEVICE = 7, 8, 12, 13, 19, 41
"""Data types as the nft command numbers them, so that it prints elements readably."""

_HOST_ORDER = struct.pack("=BBI", 0, 4, 1)  # tells the nft command how to read names of devices

INET = 1
"""The family whose tables see IPv4 and IPv6."""

_ATTRIBUTE_BYTES_MAX = 60_000  # a nest's length is 16 bits wide


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a packet goes on. code: DROP, ACCEPT, RETURN, JUMP or GOTO; chain: for the last two."""

    code: int
    chain: str = ""

    def encoded(self, kind: int) -> bytes:
        """As a data attribute of type `kind`."""
        inside = attribute(1, struct.pack(">i", self.code))
        if self.chain:
            inside += text(2, self.chain)
        return nested(kind, nested(2, inside))


@dataclass(frozen=True, slots=True)
class SetSpec:
    """A set or map. key, answer: the types of its concatenated fields; answer empty is a set, None a verdict map.

    size: elements at most (0: no bound); timeout: elements may expire; dynamic: rules add elements.
    """

    name: str
    key: tuple[int, ...]
    answer: tuple[int, ...] | None = ()
    size: int = 0
    timeout: bool = False
    dynamic: bool = False
    interval: bool = False


@dataclass(frozen=True, slots=True)
class BaseChain:
    """Where a chain hangs. kind: nat or filter; hook: PREROUTING...; priority: lower is earlier."""

    kind: str
    hook: int
    priority: int


PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a dump. expires_ms: what is left, 0 if it never expires."""

    key: bytes
    value: bytes
    timeout_ms: int = 0
    expires_ms: int = 0


def add_table(table: str) -> Request:
    """A table; done if it is there."""
    return Request(_kind(_NEW_TABLE), _header() + text(1, table), f"add table {table}", CREATE)


def delete_table(table: str) -> Request:
    """A table and all in it. Refused (ENOENT) if it is not there."""
    return Request(_kind(_DELETE_TABLE), _header() + text(1, table), f"delete table {table}")


def add_chain(table: str, chain: str, base: BaseChain | None = None) -> Request:
    """A chain: on a hook, or (None) to be jumped to."""
    body = _header() + text(1, table) + text(3, chain)
    if base is not None:
        hook = attribute(1, struct.pack(">I", base.hook)) + attribute(2, struct.pack(">i", base.priority))
        body += nested(4, hook) + text(7, base.kind)
    return Request(_kind(_NEW_CHAIN), body, f"add chain {chain}", CREATE)


def add_rule(table: str, chain: str, *expressions: bytes) -> Request:
    """A rule at the end of `chain`, of the expressions of `nft_rules.py`."""
    body = _header() + text(1, table) + text(2, chain) + nested(4, *expressions)
    return Request(_kind(_NEW_RULE), body, f"add rule to {chain}", CREATE | _APPEND)


def add_set(table: str, spec: SetSpec, identifier: int) -> Request:
    """A set or map. identifier: a number of its own within the transaction."""
    flags = (SET_TIMEOUT if spec.timeout else 0) | (SET_EVAL if spec.dynamic else 0)
    flags |= (SET_INTERVAL | SET_CONCAT) if spec.interval else 0
    body = _header() + text(1, table) + text(2, spec.name)
    body += _be(4, _type_number(spec.key)) + _be(5, _length(spec.key))
    if spec.answer is None:
        flags |= SET_MAP
        body += _be(6, _VERDICT_TYPE) + _be(7, 0)
    elif spec.answer:
        flags |= SET_MAP
        body += _be(6, _type_number(spec.answer)) + _be(7, _length(spec.answer))
    description = _be(1, spec.size) if spec.size else b""
    if spec.interval:
        description += nested(2, *(nested(1, _be(1, _field_bytes(field))) for field in spec.key))
    body += _be(3, flags) + _be(10, identifier)
    if description:
        body += nested(9, description)
    if spec.key == (DEVICE,):
        body += attribute(13, _HOST_ORDER)
    return Request(_kind(_NEW_SET), body, f"add set {spec.name}", CREATE)


def in_family(requests: Iterable[Request], family: int) -> list[Request]:
    """The same requests, for a table of another family (INET)."""
    return [replace(request, body=bytes([family]) + request.body[1:]) for request in requests]


def add_elements(table: str, name: str, elements: Iterable[tuple[bytes, bytes | Verdict | None]]) -> list[Request]:
    """Elements as (key, value): value None in a set, packed fields or a Verdict in a map."""
    encoded = (_element(key, value) for key, value in elements)
    return _in_messages(_NEW_ELEMENT, table, name, encoded, CREATE)


def add_ranges(table: str, name: str, ranges: Iterable[tuple[bytes, bytes]]) -> list[Request]:
    """Elements of an interval set, as (first key, last key), both inclusive, field by field."""
    encoded = (nested(1, nested(1, attribute(1, low)), nested(10, attribute(1, high))) for low, high in ranges)
    return _in_messages(_NEW_ELEMENT, table, name, encoded, CREATE)


def delete_ranges(table: str, name: str, ranges: Iterable[tuple[bytes, bytes]]) -> list[Request]:
    """Remove elements of an interval set; all must be there."""
    encoded = (nested(1, nested(1, attribute(1, low)), nested(10, attribute(1, high))) for low, high in ranges)
    return _in_messages(_DELETE_ELEMENT, table, name, encoded, 0)


def add_expiring(table: str, name: str, elements: Iterable[Element]) -> list[Request]:
    """Elements with a life: what a dump gave, put back."""
    encoded = (
        nested(
            1,
            nested(1, attribute(1, element.key)),
            nested(2, attribute(1, element.value)),
            attribute(4, struct.pack(">Q", element.timeout_ms)),
            attribute(5, struct.pack(">Q", element.expires_ms)),
        )
        for element in elements
    )
    return _in_messages(_NEW_ELEMENT, table, name, encoded, CREATE)


def delete_elements(table: str, name: str, keys: Iterable[bytes]) -> list[Request]:
    """Remove elements by key; all must be there."""
    return _in_messages(_DELETE_ELEMENT, table, name, (_element(key, None) for key in keys), 0)


def commit_blocking(sock: NetlinkSocket, requests: Sequence[Request]) -> None:
    """Run the requests as one transaction. Raises KernelError for the first that was refused; then nothing changed."""
    if requests:
        sock.run_transaction_blocking(_batch(_BATCH_BEGIN), requests, _batch(_BATCH_END))


def list_tables_blocking(sock: NetlinkSocket) -> list[str]:
    """The names of all IPv4 tables."""
    replies = sock.dump_blocking(_kind(_GET_TABLE), _header(), "list tables")
    return [_string(attributes(reply.body, 4)[1]) for reply in replies]


def list_chains_blocking(sock: NetlinkSocket) -> list[tuple[str, str, int, int]]:
    """All IPv4 base chains: (table, chain, hook, policy); policy is DROP or ACCEPT."""
    found: list[tuple[str, str, int, int]] = []
    for reply in sock.dump_blocking(_kind(_GET_CHAIN), _header(), "list chains"):
        values = attributes(reply.body, 4)
        if 4 in values:
            hook = struct.unpack(">I", attributes(values[4])[1])[0]
            policy = struct.unpack(">I", values.get(5, b"\0\0\0\1"))[0]
            found.append((_string(values[1]), _string(values[3]), hook, policy))
    return found


def list_elements_blocking(sock: NetlinkSocket, table: str, name: str) -> list[Element]:
    """The elements of a set or map (verdicts have an empty value). Raises KernelError (ENOENT)."""
    body = _header() + text(1, table) + text(2, name)
    found: list[Element] = []
    for reply in sock.dump_blocking(_kind(_GET_ELEMENT), body, f"list elements of {name}"):
        listing = attributes(reply.body, 4).get(3, b"")
        for _, raw in each_attribute(listing):
            values = attributes(raw)
            value = attributes(values.get(2, b"")).get(1, b"")
            timeout_ms, expires_ms = (struct.unpack(">Q", values.get(at, bytes(8)))[0] for at in (4, 5))
            found.append(Element(attributes(values[1])[1], value, timeout_ms, expires_ms))
    return found


def has_table_blocking(sock: NetlinkSocket, table: str, family: int = socket.AF_INET) -> bool:
    """Whether the table is there."""
    try:
        sock.get_blocking(_kind(_GET_TABLE), _header(family) + text(1, table), f"find table {table}")
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def _kind(message: int) -> int:
    return _SUBSYSTEM << 8 | message


def _header(family: int = socket.AF_INET, resource: int = 0) -> bytes:
    return struct.pack(">BBH", family, 0, resource)


def _batch(kind: int) -> bytes:
    return struct.pack("=IHHII", 20, kind, 1, 0, 0) + _header(socket.AF_UNSPEC, _SUBSYSTEM)


def _be(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value))


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode()


def _type_number(fields: tuple[int, ...]) -> int:
    number = 0
    for field in fields:
        number = number << 6 | field
    return number


def _length(fields: tuple[int, ...]) -> int:
    if len(fields) == 1:
        return _field_bytes(fields[0])
    return sum((_field_bytes(field) + 3) // 4 * 4 for field in fields)


def _field_bytes(field: int) -> int:
    return {PROTOCOL: 1, PORT: 2, IPV6_ADDRESS: 16, DEVICE: 16}.get(field, 4)


def _element(key: bytes, value: bytes | Verdict | None) -> bytes:
    body = nested(1, attribute(1, key))
    if isinstance(value, Verdict):
        body += value.encoded(2)
    elif value is not None:
        body += nested(2, attribute(1, value))
    return nested(1, body)


def _in_messages(message: int, table: str, name: str, encoded: Iterable[bytes], flags: int) -> list[Request]:
    """Elements packed into as few messages as their length allows."""
    start = _header() + text(1, table) + text(2, name)
    what = f"{'delete from' if message == _DELETE_ELEMENT else 'add to'} {name}"
    requests: list[Request] = []
    parts: list[bytes] = []
    size = 0
    for part in encoded:
        if size + len(part) > _ATTRIBUTE_BYTES_MAX:
            requests.append(Request(_kind(message), start + nested(3, *parts), what, flags))
            parts, size = [], 0
        parts.append(part)
        size += len(part)
    if parts:
        requests.append(Request(_kind(message), start + nested(3, *parts), what, flags))
    return requests
