"""What a question meets: an answer from the zone, a name to follow outside, or somebody else's business.

"There is no such name" is only ever said of the cluster's own zones, and not before the zone is
known; until then it is a server failure, which clients try again. Answers with several records
start with another one each time. Source: RFC 1034, section 4.3.2; RFC 2308; Kubernetes DNS
specification 1.1, section 2.6 (Pod names).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass

from maru.components.dns.model.records import Records, reverse_of
from maru.components.dns.model.zone import Zone
from maru.wire.dns import message as dns
from maru.wire.dns.message import Answer, Question
from maru.wire.dns.names import encode_name, parents_of

SCHEMA_VERSION = "1.1.0"
_ALIASES_MAX = 8
_APEX = ("", "apex")


@dataclass(frozen=True, slots=True)
class Follow:
    """`answer` so far ends in an alias to `target`, which is to be asked outside for the question's type."""

    answer: Answer
    target: bytes


@dataclass(frozen=True, slots=True)
class Realm:
    """What the server is the authority for. domain: the cluster's; ranges: whose reverse names are its own."""

    domain: str
    ranges: tuple[str, ...]
    server_ip: str
    ttl_s: int
    negative_ttl_s: int
    has_pod_names: bool


class Authority:
    """Answers from the zone. namespaces: those that exist, kept fresh by a controller."""

    def __init__(self, realm: Realm) -> None:
        self.zone = Zone(realm.ttl_s)
        self.namespaces: Collection[str] = frozenset()
        self.is_known = False
        self._realm = realm
        self._domain = encode_name(realm.domain)
        self._pods = b"\3pod" + self._domain
        self._services = b"\3svc" + self._domain
        self._server = encode_name(f"ns.dns.{realm.domain}")
        self._reverse = frozenset(zone for range_ in realm.ranges for zone in reverse_zones(range_))
        self._turn = 0
        self.zone.put(_APEX, self._apex())

    def answer(self, question: Question) -> Answer | Follow | None:
        """None: the name is not of the cluster. Local and synchronous."""
        if question.category not in (dns.INTERNET, dns.ANY):
            return Answer(dns.REFUSED, is_authoritative=False)
        name, kind = question.name, question.kind
        records = self.zone.records(name, kind)
        if records:
            if len(records) > 1 and kind != dns.ANY:
                self._turn += 1
                start = self._turn % len(records)
                records = records[start:] + records[:start]
            return Answer(answers=records, additional=self.zone.additional(name, kind))
        zone = self._zone_of(name)
        if zone is None:
            return None
        if not self.is_known:
            return Answer(dns.SERVER_FAILURE, is_authoritative=False)
        if self.zone.alias(name) is not None:
            return self._follow(name, kind)
        return self._pod_answer(name, kind) or self._nothing(name, zone)

    def _zone_of(self, name: bytes) -> bytes | None:
        if name.endswith(self._domain):
            for parent in (name, *parents_of(name)):
                if parent == self._domain:
                    return parent
        return next((parent for parent in (name, *parents_of(name)) if parent in self._reverse), None)

    def _follow(self, name: bytes, kind: int) -> Answer | Follow:
        """Along the aliases as long as they stay in the cluster."""
        chain = list(self.zone.records(name, dns.CNAME))
        target = self.zone.alias(name)
        assert target is not None, "called for an alias"
        for _ in range(_ALIASES_MAX):
            if self._zone_of(target) is None:
                return Follow(Answer(answers=chain), target)
            further = self.zone.alias(target)
            if further is None:
                return Answer(answers=[*chain, *self.zone.named_records(target, kind)])
            chain += self.zone.named_records(target, dns.CNAME)
            target = further
        return Answer(dns.SERVER_FAILURE, is_authoritative=False)

    def _pod_answer(self, name: bytes, kind: int) -> Answer | None:
        """a-b-c-d.namespace.pod.domain, for a namespace that exists."""
        if not self._realm.has_pod_names or not name.endswith(self._pods):
            return None
        labels = _labels(name[: len(name) - len(self._pods)])
        if not labels or labels[-1] not in self.namespaces:
            return None if labels else self._no_data(self._domain)
        if len(labels) == 1:
            return self._no_data(self._domain)
        try:
            packed = ipaddress.IPv4Address(labels[0].replace("-", ".")).packed
        except ValueError:
            return None
        if len(labels) != 2:
            return None
        if kind not in (dns.A, dns.ANY):
            return self._no_data(self._domain)
        return Answer(answers=[dns.record(dns.A, self._realm.ttl_s, packed)])

    def _nothing(self, name: bytes, zone: bytes) -> Answer:
        if self.zone.exists(name) or name in self._reverse:
            return self._no_data(zone)
        if name.endswith(self._services):
            labels = _labels(name[: len(name) - len(self._services)])
            if not labels or (len(labels) == 1 and labels[0] in self.namespaces):
                return self._no_data(zone)
        return Answer(dns.NO_NAME, authority=[self._authority_record(zone)])

    def _no_data(self, zone: bytes) -> Answer:
        return Answer(authority=[self._authority_record(zone)])

    def _authority_record(self, zone: bytes) -> bytes:
        return dns.record(dns.SOA, self._realm.negative_ttl_s, self._authority_content(), zone)

    def _authority_content(self) -> bytes:
        mailbox = b"\x0ahostmaster" + self._domain
        return dns.authority_content(self._server, mailbox, 1, self._realm.negative_ttl_s)

    def _apex(self) -> Records:
        version = encode_name(f"dns-version.{self._realm.domain}")
        return {
            (self._domain, dns.SOA): [self._authority_content()],
            (self._domain, dns.NS): [self._server],
            (self._server, dns.A): [socket.inet_aton(self._realm.server_ip)],
            (version, dns.TXT): [dns.text_content(SCHEMA_VERSION)],
        }


def reverse_zones(range_: str) -> list[bytes]:
    """The in-addr.arpa zones that an IPv4 range covers, cut at whole octets."""
    network = ipaddress.IPv4Network(range_)
    octets = min(max((network.prefixlen + 7) // 8, 1), 4)
    zones: list[bytes] = []
    for part in network.subnets(new_prefix=max(octets * 8, network.prefixlen)):
        name = reverse_of(str(part.network_address))
        zones.append(name if octets == 4 else parents_of(name)[3 - octets])
    return zones


def _labels(name: bytes) -> list[str]:
    labels: list[str] = []
    offset = 0
    while offset < len(name):
        end = offset + 1 + name[offset]
        labels.append(name[offset + 1 : end].decode("ascii", "replace"))
        offset = end
    return labels
