"""fingerprint: a digest of fields, so that the same event twice is one document.

Source: Logstash reference, "Fingerprint filter plugin"; RFC 2104; MurmurHash3 (A. Appleby).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Sequence

from maru.components.pipelines.model.event import METADATA, TIMESTAMP, VERSION, Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

DIGESTS = ("SHA1", "SHA256", "SHA384", "SHA512", "MD5")
MASK32 = 0xFFFFFFFF
_WORDS = re.compile(r"[A-Za-z0-9 \t]+")


class FingerprintOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    source: Sequence[str] = ("message",)
    target: str = ""
    method: str = "SHA1"
    key: str = ""
    base64encode: bool = False
    concatenate_sources: bool = False
    concatenate_all_fields: bool = False
    ecs_compatibility: str = "v8"


def method_of(method: str, key: str, *, base64encode: bool = False) -> Callable[[object], object]:
    """From a value to its digest; what is no address has no network, None.

    Raises Invalid: a method there is not, IPV4_NETWORK without a key.
    """
    if method not in (*DIGESTS, "MURMUR3", "PUNCTUATION", "IPV4_NETWORK"):
        raise Invalid(what="fingerprint", why=f"there is no method {method!r}", fix=f"one of {', '.join(DIGESTS)}")
    if method == "IPV4_NETWORK" and not key.isdigit():
        raise Invalid(what="fingerprint", why="IPV4_NETWORK wants the prefix length as key", fix="key => 24")
    return lambda value: _print(value, method, key, base64encode)


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: a method there is not, IPV4_NETWORK without a key."""
    options = options_of(plugin, FingerprintOptions, "filter")
    is_random = options.method == "UUID"
    print_ = method_of(DIGESTS[0] if is_random else options.method, options.key, base64encode=options.base64encode)
    is_legacy = options.ecs_compatibility == "disabled"
    target = parse_reference(options.target or ("fingerprint" if is_legacy else "[event][hash]"))
    sources = [parse_reference(name) for name in sorted(options.source)]

    def is_successful(event: Event) -> bool:
        if is_random:
            event.put(target, tools.unique_id())
        elif options.concatenate_all_fields or options.concatenate_sources:
            event.put(target, print_(_together(event, options)))
        else:
            for source in sources:
                value = event.get(source)
                if isinstance(value, list):
                    event.put(target, [print_(element) for element in value])
                elif value is not None:
                    event.put(target, print_(value))
        return True

    return per_event(options, is_successful)


def _together(event: Event, options: FingerprintOptions) -> str:
    if options.concatenate_all_fields:
        skipped = (METADATA, TIMESTAMP, VERSION) if not event.fields.get(TIMESTAMP) else ()
        names = sorted(name for name in event.fields if name not in skipped)
    else:
        names = sorted(options.source)
    pieces = []
    for name in names:
        value = event.get(parse_reference(name))
        if value is not None:
            pieces.append(f"|{name}|{text_of(value)}")
    return "".join(pieces) + "|"


def _print(value: object, method: str, key: str, is_base64: bool) -> object:
    text = text_of(value)
    if method == "PUNCTUATION":
        return _WORDS.sub("", text)
    if method == "IPV4_NETWORK":
        try:
            return str(ipaddress.ip_network(f"{text}/{key}", strict=False).network_address)
        except ValueError:
            return None
    if method == "MURMUR3":
        if isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63:
            return murmur3(value.to_bytes(8, "little", signed=True))
        return murmur3(text.encode())
    name = method.lower()
    digest = (
        hmac.new(key.encode(), text.encode(), name).digest()
        if key
        else hashlib.new(name, text.encode(), usedforsecurity=False).digest()
    )
    return base64.b64encode(digest).decode() if is_base64 else digest.hex()


def murmur3(content: bytes, seed: int = 0) -> int:
    """MurmurHash3 x86, 32 bits."""
    state = seed
    whole = len(content) & ~3
    for first in range(0, whole, 4):
        state ^= _mixed(int.from_bytes(content[first : first + 4], "little"))
        state = (_rotated(state, 13) * 5 + 0xE6546B64) & MASK32
    if len(content) > whole:
        state ^= _mixed(int.from_bytes(content[whole:], "little"))
    state ^= len(content)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        state = ((state ^ (state >> shift)) * factor) & MASK32
    return state ^ (state >> 16)


def _mixed(block: int) -> int:
    return (_rotated((block * 0xCC9E2D51) & MASK32, 15) * 0x1B873593) & MASK32


def _rotated(value: int, by: int) -> int:
    return ((value << by) | (value >> (32 - by))) & MASK32
