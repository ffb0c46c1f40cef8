"""Filters of a few lines: uuid, urldecode, cidr, truncate.

Source: Logstash reference, "Uuid", "Urldecode", "Cidr" and "Truncate" filter plugins.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import unquote_plus

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")


class UuidOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """target: required unless ECS names it; overwrite: also where there is one."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    target: str = "[event][id]"
    overwrite: bool = False
    ecs_compatibility: str = "v8"


class UrldecodeOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    field: str = "message"
    all_fields: bool = False
    charset: str = "UTF-8"
    tag_on_failure: Sequence[str] = ("_urldecodefailure",)


class CidrOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """address and network are formatted with the event. network_path: a file of networks, read again in s."""

    address: Sequence[str] = ()
    network: Sequence[str] = ()
    network_path: str = ""
    separator: str = "\n"
    refresh_interval: float = 600


class TruncateOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """length_bytes: of UTF-8, at whole letters. fields: empty for all."""

    length_bytes: int
    fields: Sequence[str] = ()


def build_uuid(plugin: Plugin, tools: Tools) -> Filter:
    """uuid."""
    options = options_of(plugin, UuidOptions, "filter")
    target = parse_reference(options.target)

    def is_successful(event: Event) -> bool:
        if options.overwrite or not event.has(target):
            event.put(target, tools.unique_id())
        return True

    return per_event(options, is_successful)


def build_urldecode(plugin: Plugin, tools: Tools) -> Filter:
    """urldecode."""
    options = options_of(plugin, UrldecodeOptions, "filter")

    def decoded(value: object) -> object:
        if isinstance(value, str):
            return unquote_plus(value, encoding=options.charset, errors="strict")
        if isinstance(value, list):
            return [decoded(element) for element in value]
        return value

    def is_successful(event: Event) -> bool:
        names = [(name,) for name in event.fields] if options.all_fields else [parse_reference(options.field)]
        try:
            for name in names:
                if event.has(name):
                    event.put(name, decoded(event.get(name)))
        except (UnicodeDecodeError, LookupError):
            for tag in options.tag_on_failure:
                event.tag(tag)
            return False
        return True

    return per_event(options, is_successful)


def build_cidr(plugin: Plugin, tools: Tools) -> Filter:
    """cidr: successful when an address lies in one of the networks. Raises Invalid: a file that cannot be read."""
    options = options_of(plugin, CidrOptions, "filter")
    if options.network and options.network_path:
        raise Invalid(what="cidr", why="network and network_path exclude each other", fix="give one")
    kept = _networks_of(options, tools)
    read_s = tools.monotonic_s()

    def is_successful(event: Event) -> bool:
        nonlocal kept, read_s
        if options.network_path and tools.monotonic_s() - read_s >= options.refresh_interval:
            read_s = tools.monotonic_s()
            with suppress(Invalid):  # the old ones go on
                kept = _networks_of(options, tools)
        addresses = _each(ipaddress.ip_address, map(event.sprintf, options.address))
        networks = [*kept, *_each(_network, map(event.sprintf, options.network))]
        return any(address in network for address in addresses for network in networks)

    return per_event(options, is_successful)


def _networks_of(options: CidrOptions, tools: Tools) -> Sequence[Network]:
    if not options.network_path:
        return ()
    text = tools.read_file(Path(options.network_path)).decode("utf-8", "replace")
    return _each(_network, map(str.strip, text.split(options.separator)))


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)


def _each(read: Callable[[str], T], texts: Iterable[str]) -> Sequence[T]:
    """What can be read; what cannot matches nothing."""
    found = []
    for text in texts:
        with suppress(ValueError):
            found.append(read(text))
    return found


def build_truncate(plugin: Plugin, tools: Tools) -> Filter:
    """truncate."""
    options = options_of(plugin, TruncateOptions, "filter")
    references: Sequence[Reference] = [parse_reference(name) for name in options.fields]

    def cut(value: object) -> object:
        if isinstance(value, str):
            return value.encode()[: options.length_bytes].decode(errors="ignore")
        return [cut(element) for element in value] if isinstance(value, list) else value

    def is_successful(event: Event) -> bool:
        for reference in references or [(name,) for name in event.fields]:
            if event.has(reference):
                event.put(reference, cut(event.get(reference)))
        return True

    return per_event(options, is_successful)
