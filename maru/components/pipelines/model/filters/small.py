"""Filters of a few lines: uuid, urldecode, cidr, truncate.

Source: Logstash reference, "Uuid", "Urldecode", "Cidr" and "Truncate" filter plugins.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import unquote_plus

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin


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
    """address and network are formatted with the event."""

    address: Sequence[str] = ()
    network: Sequence[str] = ()


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
    """cidr: successful when an address lies in one of the networks."""
    options = options_of(plugin, CidrOptions, "filter")

    def is_successful(event: Event) -> bool:
        try:
            networks = [ipaddress.ip_network(event.sprintf(text), strict=False) for text in options.network]
            return any(
                ipaddress.ip_address(event.sprintf(text)) in network for text in options.address for network in networks
            )
        except ValueError:
            return False

    return per_event(options, is_successful)


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
