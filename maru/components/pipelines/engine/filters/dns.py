"""dns: names become addresses, addresses names, in place or beside what is there.

Files of hosts are asked first, then the servers; answers (and failures, if so asked) are remembered.
Source: Logstash reference, "Dns filter plugin"; hosts(5).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from maru.components.pipelines.engine.filters.asking import asking
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin

SYSTEM_HOSTS = "/etc/hosts"
PORT = 53


class DnsOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """timeout: s of one question; max_retries: after a timeout. nameserver: addresses, or a hash with address in it.

    hit_cache_size, failed_cache_size: answers remembered, 0 for none; hit_cache_ttl, failed_cache_ttl: s.
    """

    reverse: Sequence[str] = ()
    resolve: Sequence[str] = ()
    action: str = "append"
    nameserver: object = None
    hostsfile: Sequence[str] = ()
    timeout: float = 0.5
    max_retries: int = 2
    hit_cache_size: int = 0
    hit_cache_ttl: float = 60
    failed_cache_size: int = 0
    failed_cache_ttl: float = 5
    tag_on_timeout: Sequence[str] = ("_dnstimeout",)


def build(plugin: Plugin, ground: Ground) -> Filter:
    """Raises Invalid: an action there is not, a file of hosts or a server that is none."""
    options = options_of(plugin, DnsOptions, "filter")
    if options.action not in ("append", "replace"):
        raise Invalid(what="dns", why=f"no action {options.action!r}", fix="append or replace")
    if options.hit_cache_size < 0 or options.failed_cache_size < 0 or options.timeout <= 0:
        raise Invalid(what="dns", why="sizes and times are not negative, and timeout is over 0", fix="timeout => 0.5")
    asker = _Asker(options, ground)
    resolve = [parse_reference(name) for name in options.resolve]
    reverse = [parse_reference(name) for name in options.reverse]

    async def is_successful(event: Event) -> bool:
        try:
            for references, is_reverse in ((resolve, False), (reverse, True)):
                for reference in references:
                    if not await _answered(event, reference, asker, is_reverse=is_reverse):
                        return False
        except TimeoutError:
            for tag in options.tag_on_timeout:
                event.tag(tag)
            return False
        return True

    async def _answered(event: Event, reference: Reference, asker: _Asker, *, is_reverse: bool) -> bool:
        """Whether there was an answer, and it was put."""
        value = event.get(reference)
        if value is None or (isinstance(value, list) and len(value) != 1):
            return value is None
        asked = text_of(value[0] if isinstance(value, list) else value)
        found = await asker.ask(asked, is_reverse=is_reverse)
        if not found:
            return False
        if options.action == "replace":
            event.put(reference, [found] if isinstance(value, list) else found)
        else:
            event.put(reference, [asked, found])
        return True

    return asking(options, is_successful)


class _Asker:
    """hosts: what files say, name to address and address to name. "" is an answer that was none."""

    def __init__(self, options: DnsOptions, ground: Ground) -> None:
        self._options = options
        self._ground = ground
        self._hosts: dict[str, str] = {}
        for path in (SYSTEM_HOSTS, *options.hostsfile):
            self._hosts |= _hosts_of(ground.read_file(Path(path)).decode("utf-8", "replace"))
        # Here, not above: its records take memory of those who do not use it.
        from dns.asyncresolver import Resolver

        self._resolver = Resolver(configure=options.nameserver is None)
        if options.nameserver is not None:
            self._resolver.nameservers, self._resolver.port = _servers(options.nameserver)
            self._resolver.search = []
        self._resolver.lifetime = options.timeout
        self._hits = _Kept(options.hit_cache_size, options.hit_cache_ttl)
        self._failures = _Kept(options.failed_cache_size, options.failed_cache_ttl)

    async def ask(self, asked: str, *, is_reverse: bool) -> str:
        """Raises TimeoutError."""
        if is_reverse and not _is_address(asked):
            return ""
        now_s, key = self._ground.monotonic_s(), ("R" if is_reverse else "F") + asked.lower()
        known = self._hosts.get(key) or self._hits.get(key, now_s)
        if known:
            return known
        if self._failures.get(key, now_s):
            return ""
        try:
            found = await self._asked(asked, is_reverse=is_reverse)
        except TimeoutError:
            self._failures.put(key, "-", now_s)
            raise
        (self._hits if found else self._failures).put(key, found or "-", now_s)
        return found

    async def _asked(self, asked: str, *, is_reverse: bool) -> str:
        from dns.exception import DNSException, Timeout

        for attempt in range(self._options.max_retries + 1):
            try:
                async with asyncio.timeout(self._options.timeout):
                    if is_reverse:
                        answer = await self._resolver.resolve_address(asked)
                        return str(answer[0]).rstrip(".")
                    return str((await self._resolver.resolve(asked, "A"))[0])
            except (TimeoutError, Timeout) as error:
                if attempt == self._options.max_retries:
                    raise TimeoutError(f"no answer for {asked}") from error
            except (DNSException, OSError, ValueError):
                return ""
        return ""


class _Kept:
    """Answers by question; the oldest gives way."""

    def __init__(self, count_max: int, life_s: float) -> None:
        self._count_max = count_max
        self._life_s = life_s
        self._answers: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def get(self, key: str, now_s: float) -> str:
        kept = self._answers.get(key)
        return kept[1] if kept is not None and now_s < kept[0] else ""

    def put(self, key: str, answer: str, now_s: float) -> None:
        if self._count_max == 0:
            return
        self._answers[key] = (now_s + self._life_s, answer)
        self._answers.move_to_end(key)
        if len(self._answers) > self._count_max:
            self._answers.popitem(last=False)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _hosts_of(text: str) -> Mapping[str, str]:
    """F and a name: its address; R and an address: its first name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        address, *names = line.split("#")[0].split() or [""]
        if not names or not _is_address(address):
            continue
        found.setdefault(f"R{address}", names[0])
        for name in names:
            if ":" not in address:
                found.setdefault(f"F{name.lower()}", address)
    return found


def _servers(written: object) -> tuple[list[str], int]:
    """Addresses and their port: "10.0.0.1", or "10.0.0.1:5353" for all of them."""
    address = written.get("address") if isinstance(written, dict) else written
    texts = [str(each) for each in (address if isinstance(address, list) else [address])]
    pairs = [text.rpartition(":") if text.count(":") == 1 else (text, "", "") for text in texts]
    ports = {int(port) if port.isdigit() else PORT for _, _, port in pairs}
    servers = [server for server, _, _ in pairs]
    if not all(map(_is_address, servers)) or len(ports) != 1:
        raise Invalid(what="dns", why=f"nameserver {written!r} is no address", fix='nameserver => ["10.0.0.1"]')
    return servers, ports.pop()
