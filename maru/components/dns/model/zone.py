"""The names of the cluster with their records in wire form, ready to be sent.

Records are encoded when a Service changes, not when somebody asks. A name exists if it or anything
below it has records (an empty non-terminal), which is what tells NODATA from NXDOMAIN. Owners add and
remove records of shared names (two Services with one PTR) without disturbing each other.
Source: RFC 1034, section 4.3.2; RFC 8020.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maru.components.dns.model.records import Records
from maru.wire.dns.message import AAAA, ANY, CNAME, SRV, A, record
from maru.wire.dns.names import parents_of

Owner = tuple[str, str]
"""(namespace, name) of a Service, or ("", label) for the zone's own records."""

_SRV_TARGET_OFFSET = 6
_ADDITIONAL_MAX = 32


class Zone:
    """All records. ttl_s: of every record."""

    def __init__(self, ttl_s: int) -> None:
        self._ttl_s = ttl_s
        self._owners: dict[Owner, Records] = {}
        self._contents: dict[bytes, dict[int, dict[bytes, int]]] = {}  # name: type: content: how many owners
        self._ready: dict[tuple[bytes, int], tuple[bytes, ...]] = {}
        self._existing: dict[bytes, int] = {}  # name: how many names with records at or below it

    def put(self, owner: Owner, records: Records) -> bool:
        """The owner's records are these from now on (none: it is gone). False if they were before."""
        before = self._owners.get(owner, {})
        if before == records:
            return False
        self._owners.pop(owner, None)
        for (name, kind), contents in before.items():
            self._remove(name, kind, contents)
        for (name, kind), contents in records.items():
            self._add(name, kind, contents)
        if records:
            self._owners[owner] = records
        for name, kind in before.keys() | records.keys():
            self._encode(name, kind)
        return True

    def exists(self, name: bytes) -> bool:
        """Whether the name, or one below it, has records."""
        return name in self._existing

    def records(self, name: bytes, kind: int) -> tuple[bytes, ...]:
        """Records of the name asked for, whole; empty if there are none of the type."""
        found = self._ready.get((name, kind))
        if found is not None:
            return found
        if kind == ANY:
            kinds = self._contents.get(name, {})
            return tuple(record for each in kinds for record in self._ready[name, each])
        return ()

    def alias(self, name: bytes) -> bytes | None:
        """Where a CNAME leads, if the name is one."""
        contents = self._contents.get(name, {}).get(CNAME)
        return next(iter(contents)) if contents else None

    def named_records(self, name: bytes, kind: int) -> list[bytes]:
        """Records of any name, spelt out: to follow others in an answer."""
        contents: Iterable[bytes] = self._contents.get(name, {}).get(kind, ())
        return [record(kind, self._ttl_s, content, name) for content in contents]

    def additional(self, name: bytes, kind: int) -> list[bytes]:
        """Addresses of what SRV records point to."""
        if kind != SRV:
            return []
        found: list[bytes] = []
        for content in list(self._contents.get(name, {}).get(SRV, ()))[:_ADDITIONAL_MAX]:
            target = content[_SRV_TARGET_OFFSET:]
            found += self.named_records(target, A) + self.named_records(target, AAAA)
        return list(dict.fromkeys(found))

    def _add(self, name: bytes, kind: int, contents: Iterable[bytes]) -> None:
        kinds = self._contents.get(name)
        if kinds is None:
            kinds = self._contents[name] = {}
            for each in (name, *parents_of(name)):
                self._existing[each] = self._existing.get(each, 0) + 1
        counts = kinds.setdefault(kind, {})
        for content in contents:
            counts[content] = counts.get(content, 0) + 1

    def _remove(self, name: bytes, kind: int, contents: Iterable[bytes]) -> None:
        kinds = self._contents[name]
        counts = kinds[kind]
        for content in contents:
            counts[content] -= 1
            if not counts[content]:
                del counts[content]
        if not counts:
            del kinds[kind]
        if not kinds:
            del self._contents[name]
            for each in (name, *parents_of(name)):
                self._existing[each] -= 1
                if not self._existing[each]:
                    del self._existing[each]

    def _encode(self, name: bytes, kind: int) -> None:
        contents: Mapping[bytes, int] = self._contents.get(name, {}).get(kind, {})
        if contents:
            self._ready[name, kind] = tuple(record(kind, self._ttl_s, content) for content in contents)
        else:
            self._ready.pop((name, kind), None)
