"""The expressions that nftables rules are made of, one function each.

A rule is a row of them: load something into a register, compare or look it up (going no further
when it does not match), then act. Registers are the sixteen of 32 bits, numbered 0..15 here; a
concatenated key stands in neighbouring ones. Source: linux/netfilter/nf_tables.h, net/netfilter/nft_*.c.
"""

from __future__ import annotations

import ipaddress
import struct

from maru.linux.netlink import attribute, nested, text
from maru.linux.nftables import Verdict

_FIRST_REGISTER = 8
_VERDICT_REGISTER = 0
_NETWORK, _TRANSPORT = 1, 2
EQUAL, NOT_EQUAL = 0, 1
_META_PRIORITY, _META_MARK, _META_INPUT, _META_OUTPUT, _META_FAMILY, _META_PROTOCOL = 2, 3, 6, 7, 15, 16
_CT_STATE, _CT_STATUS = 0, 2
STATE_NEW = 8
STATE_KNOWN = 2 | 4  # established, related
STATUS_REWRITTEN = 0x20  # the destination was
IPV4, IPV6 = 2, 10
_FIB_TYPE, _FIB_SOURCE, _FIB_DESTINATION = 3, 1, 2
_LOCAL = 2
_RANDOM = 1
_FULLY_RANDOM = 16


def source_address(register: int = 0) -> bytes:
    """Load the IPv4 source address."""
    return _payload(_NETWORK, 12, 4, register)


def destination_address(register: int = 0) -> bytes:
    """Load the IPv4 destination address."""
    return _payload(_NETWORK, 16, 4, register)


def destination_address6(register: int = 0) -> bytes:
    """Load the IPv6 destination address, into four registers."""
    return _payload(_NETWORK, 24, 16, register)


def family_is(family: int) -> bytes:
    """Go on only for IPV4 or IPV6, in an inet table."""
    return _expression("meta", _be(1, _FIRST_REGISTER), _be(2, _META_FAMILY)) + compare(bytes([family]))


def input_device(register: int = 0) -> bytes:
    """Load the name of the device the packet came in at, into four registers."""
    return _expression("meta", _be(1, _FIRST_REGISTER + register), _be(2, _META_INPUT))


def output_device(register: int = 0) -> bytes:
    """Load the name of the device the packet leaves by, into four registers."""
    return _expression("meta", _be(1, _FIRST_REGISTER + register), _be(2, _META_OUTPUT))


def protocol(register: int = 0) -> bytes:
    """Load the transport protocol."""
    return _expression("meta", _be(1, _FIRST_REGISTER + register), _be(2, _META_PROTOCOL))


def destination_port(register: int = 0) -> bytes:
    """Load the destination port of TCP, UDP or SCTP."""
    return _payload(_TRANSPORT, 2, 2, register)


def transport_byte(offset: int, register: int = 0) -> bytes:
    """Load one byte of the transport header (offset 0 of ICMP is its type)."""
    return _payload(_TRANSPORT, offset, 1, register)


def number(value: bytes, register: int = 0) -> bytes:
    """Load a constant."""
    return _expression("immediate", _be(1, _FIRST_REGISTER + register), nested(2, attribute(1, value)))


def compare(value: bytes, register: int = 0, operator: int = EQUAL) -> bytes:
    """Go on only if the register equals (or does not equal) `value`."""
    return _expression("cmp", _be(1, _FIRST_REGISTER + register), _be(2, operator), nested(3, attribute(1, value)))


def masked(mask: bytes, change: bytes, register: int = 0) -> bytes:
    """register = (register & mask) ^ change."""
    at = _be(1, _FIRST_REGISTER + register) + _be(2, _FIRST_REGISTER + register) + _be(3, len(mask))
    return _expression("bitwise", at, nested(4, attribute(1, mask)), nested(5, attribute(1, change)))


def source_in(network: str, *, is_in: bool = True) -> bytes:
    """Go on only if the source address is (not) in the network."""
    return source_address() + _in_network(network, is_in)


def destination_in(network: str, *, is_in: bool = True) -> bytes:
    """Go on only if the destination address is (not) in the network."""
    return destination_address() + _in_network(network, is_in)


def input_is(device: str) -> bytes:
    """Go on only if the packet came in at `device`."""
    return _meta(_META_INPUT) + compare(_device(device))


def output_is(device: str, *, is_that: bool = True) -> bytes:
    """Go on only if the packet leaves (not) by `device`."""
    return _meta(_META_OUTPUT) + compare(_device(device), 0, EQUAL if is_that else NOT_EQUAL)


def protocol_is(value: int) -> bytes:
    """Go on only for this transport protocol."""
    return protocol() + compare(bytes([value]))


def state_in(states: int) -> bytes:
    """Go on only if the connection is in one of the states (bits)."""
    return _connection_has(_CT_STATE, states)


def status_in(bits: int) -> bytes:
    """Go on only if the connection has one of the status bits."""
    return _connection_has(_CT_STATUS, bits)


def destination_is_local() -> bytes:
    """Go on only if the destination is an address of this machine."""
    return _fib(_FIB_DESTINATION)


def source_is_local() -> bytes:
    """Go on only if the source is an address of this machine."""
    return _fib(_FIB_SOURCE)


def mark_has(bit: int) -> bytes:
    """Go on only if the packet's mark has the bit."""
    return _meta(_META_MARK) + masked(struct.pack("=I", bit), bytes(4)) + compare(bytes(4), 0, NOT_EQUAL)


def set_mark_bit(bit: int, *, on: bool) -> bytes:
    """Set or clear a bit of the packet's mark."""
    keep = struct.pack("=I", ~bit & 0xFFFFFFFF)
    change = struct.pack("=I", bit if on else 0)
    write = _expression("meta", _be(2, _META_MARK), _be(3, _FIRST_REGISTER))
    return _meta(_META_MARK) + masked(keep, change) + write


def keep(register: int = 0) -> bytes:
    """Put a register aside in the packet's priority, which forwarding sets anew.

    A looked up value cannot stand in a concatenated key directly: nft 1.0.6 dies of listing such a rule.
    """
    return _expression("meta", _be(2, _META_PRIORITY), _be(3, _FIRST_REGISTER + register))


def kept(register: int = 0) -> bytes:
    """Load what `keep` put aside, in this rule or an earlier one."""
    return _expression("meta", _be(1, _FIRST_REGISTER + register), _be(2, _META_PRIORITY))


def random_slot(modulus: int, offset: int, register: int) -> bytes:
    """Load offset + a random number below `modulus` (1 or more), in the machine's byte order."""
    if modulus == 1:
        return number(struct.pack("=I", offset), register)
    at = _be(1, _FIRST_REGISTER + register)
    return _expression("numgen", at, _be(2, modulus), _be(3, _RANDOM), _be(4, offset))


def lookup(name: str, register: int = 0, into: int | None = None, *, is_in: bool = True) -> bytes:
    """Go on only if the key is (not) in the set; `into` takes a map's value."""
    body = text(1, name) + _be(2, _FIRST_REGISTER + register)
    if into is not None:
        body += _be(3, _FIRST_REGISTER + into)
    if not is_in:
        body += _be(5, 1)
    return _expression("lookup", body)


def verdict_from(name: str, register: int = 0) -> bytes:
    """Take the verdict that the map has for the key; go on in the chain if it has none."""
    return _expression("lookup", text(1, name), _be(2, _FIRST_REGISTER + register), _be(3, _VERDICT_REGISTER))


def remember(name: str, key: int, value: int | None, timeout_ms: int, operation: str) -> bytes:
    """add, update or delete an element: the key (and value) in registers, with a life."""
    operations = {"add": 0, "update": 1, "delete": 2}
    body = text(1, name) + _be(3, operations[operation]) + _be(4, _FIRST_REGISTER + key)
    if value is not None:
        body += _be(5, _FIRST_REGISTER + value)
    if timeout_ms:
        body += attribute(6, struct.pack(">Q", timeout_ms))
    return _expression("dynset", body)


def rewrite_destination(address: int, port: int, family: int = IPV4) -> bytes:
    """DNAT to the address and port in registers. Ends the chain."""
    registers = _be(3, _FIRST_REGISTER + address) + _be(5, _FIRST_REGISTER + port)
    return _expression("nat", _be(1, 1), _be(2, family), registers)


def rewrite_address(address: int, family: int = IPV4) -> bytes:
    """DNAT to the address in a register; the port stays. Ends the chain."""
    return _expression("nat", _be(1, 1), _be(2, family), _be(3, _FIRST_REGISTER + address))


def masquerade() -> bytes:
    """SNAT to the address of the device the packet leaves by, with a random port. Ends the chain."""
    return _expression("masq", _be(1, _FULLY_RANDOM))


def reject_with_reset() -> bytes:
    """Answer a TCP segment with a reset."""
    return _expression("reject", _be(1, 1), attribute(2, b"\0"))


def reject_as_unreachable() -> bytes:
    """Answer with ICMP port unreachable."""
    return _expression("reject", _be(1, 0), attribute(2, b"\3"))


def finish(verdict: Verdict) -> bytes:
    """Drop, accept, return, jump or goto."""
    return _expression("immediate", _be(1, _VERDICT_REGISTER), verdict.encoded(2))


def _expression(name: str, *body: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *body))


def _connection_has(key: int, bits: int) -> bytes:
    load = _expression("ct", _be(1, _FIRST_REGISTER), _be(2, key))
    return load + masked(struct.pack("=I", bits), bytes(4)) + compare(bytes(4), 0, NOT_EQUAL)


def _be(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value))


def _payload(base: int, offset: int, length: int, register: int) -> bytes:
    return _expression("payload", _be(1, _FIRST_REGISTER + register), _be(2, base), _be(3, offset), _be(4, length))


def _meta(key: int) -> bytes:
    return _expression("meta", _be(1, _FIRST_REGISTER), _be(2, key))


def _device(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


def _fib(which: int) -> bytes:
    load = _expression("fib", _be(1, _FIRST_REGISTER), _be(2, _FIB_TYPE), _be(3, which))
    return load + compare(struct.pack("=I", _LOCAL))


def _in_network(network: str, is_in: bool) -> bytes:
    parsed = ipaddress.IPv4Network(network)
    operator = EQUAL if is_in else NOT_EQUAL
    return masked(parsed.netmask.packed, bytes(4)) + compare(parsed.network_address.packed, 0, operator)
