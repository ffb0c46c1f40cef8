"""url, ip and cidr. Source: Kubernetes docs, "Common Expression Language in Kubernetes", URL, IP and CIDR libraries."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.functions import READING_COST, Entry, function, method
from maru.wire.cel.values import Opaque

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Ip(Opaque):
    """An address."""

    type_name = "net.IP"
    address: Address

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Cidr(Opaque):
    """An address with a prefix. address: as written, its bits behind the prefix included."""

    type_name = "net.CIDR"
    address: Address
    network: Network

    def __str__(self) -> str:
        return f"{self.address}/{self.network.prefixlen}"


@dataclass(frozen=True, slots=True)
class Url(Opaque):
    """An absolute URI or path."""

    type_name = "kubernetes.URL"
    text: str


def entries() -> Iterable[Entry]:
    """All of them."""
    yield from _addresses()
    yield from _networks()
    yield function("url", "string", "kubernetes.URL", _url)
    yield function("isURL", "string", "bool", lambda text: _can(_url, text), cost=READING_COST)
    yield method("getScheme", "kubernetes.URL", "string", lambda one: urlsplit(one.text).scheme)
    yield method("getHost", "kubernetes.URL", "string", lambda one: urlsplit(one.text).netloc.rpartition("@")[2])
    yield method("getHostname", "kubernetes.URL", "string", lambda one: urlsplit(one.text).hostname or "")
    yield method("getPort", "kubernetes.URL", "string", lambda one: str(urlsplit(one.text).port or ""))
    yield method("getEscapedPath", "kubernetes.URL", "string", lambda one: urlsplit(one.text).path)
    yield method("getQuery", "kubernetes.URL", "map<string,list<string>>", _query)


def _addresses() -> Iterable[Entry]:
    yield function("ip", "string", "net.IP", _ip)
    yield function("isIP", "string", "bool", lambda text: _can(_ip, text), cost=READING_COST)
    yield function("ip.isCanonical", "string", "bool", lambda text: str(_ip(text)) == text, cost=READING_COST)
    yield function("string", "net.IP", "string", str)
    yield method("family", "net.IP", "int", lambda one: one.address.version)
    yield method("isUnspecified", "net.IP", "bool", lambda one: one.address.is_unspecified)
    yield method("isLoopback", "net.IP", "bool", lambda one: one.address.is_loopback)
    yield method("isLinkLocalMulticast", "net.IP", "bool", _is_link_local_multicast)
    yield method("isLinkLocalUnicast", "net.IP", "bool", lambda one: one.address.is_link_local)
    yield method("isGlobalUnicast", "net.IP", "bool", _is_global_unicast)


def _networks() -> Iterable[Entry]:
    yield function("cidr", "string", "net.CIDR", _cidr)
    yield function("isCIDR", "string", "bool", lambda text: _can(_cidr, text), cost=READING_COST)
    yield function("string", "net.CIDR", "string", str)
    yield method("containsIP", "net.CIDR,net.IP", "bool", lambda one, ip: ip.address in one.network)
    yield method("containsIP", "net.CIDR,string", "bool", lambda one, text: _ip(text).address in one.network)
    yield method("containsCIDR", "net.CIDR,net.CIDR", "bool", _has_network)
    yield method("containsCIDR", "net.CIDR,string", "bool", lambda one, text: _has_network(one, _cidr(text)))
    yield method("ip", "net.CIDR", "net.IP", lambda one: Ip(one.address))
    yield method("masked", "net.CIDR", "net.CIDR", lambda one: Cidr(one.network.network_address, one.network))
    yield method("prefixLength", "net.CIDR", "int", lambda one: one.network.prefixlen)


def _can(make: Callable[[str], object], text: str) -> bool:
    try:
        make(text)
    except EvaluationError:
        return False
    return True


def _ip(text: str) -> Ip:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise EvaluationError(f'IP Address "{text}" parse error during conversion from string') from None
    if "%" in text:
        raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return Ip(address)


def _cidr(text: str) -> Cidr:
    address, slash, length = text.partition("/")
    try:
        if not slash or not length.isdigit():
            raise ValueError(text)
        return Cidr(_ip(address).address, ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise EvaluationError(f'network address parse error during conversion from string: "{text}"') from None


def _has_network(one: Cidr, other: Cidr) -> bool:
    mine, theirs = one.network, other.network
    return mine.version == theirs.version and mine.prefixlen <= theirs.prefixlen and theirs.network_address in mine


def _is_global_unicast(one: Ip) -> bool:
    address = one.address
    is_broadcast = address == ipaddress.IPv4Address("255.255.255.255")
    return not (
        is_broadcast or address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    )


def _is_link_local_multicast(one: Ip) -> bool:
    if one.address.version == 4:
        return one.address in ipaddress.ip_network("224.0.0.0/24")
    return one.address in ipaddress.ip_network("ff02::/16")


def _url(text: str) -> Url:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise EvaluationError(f'URL parse error during conversion from string: parse "{text}"') from None
    if not (parts.scheme or text.startswith("/")) or any(letter.isspace() for letter in text):
        raise EvaluationError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return Url(text)


def _query(one: Url) -> object:
    return parse_qs(urlsplit(one.text).query, keep_blank_values=True)
