"""useragent: a browser's own word for itself becomes its name, its versions, its system and its device.

Source: Logstash reference, "Useragent filter plugin"; the uap-core patterns, by ua-parser.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.document import Value
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin


class UseragentOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """prefix: of the names without ECS."""

    source: str
    target: str = ""
    prefix: str = ""
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid as options do."""
    options = options_of(plugin, UseragentOptions, "filter")
    is_ecs = options.ecs_compatibility != "disabled"
    source = parse_reference(options.source)
    written = options.target or ("user_agent" if is_ecs else "")
    target = parse_reference(written) if written else ()
    # Here, not above: its patterns take 20 MB, for those who use them.
    import ua_parser

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        text = text_of(value[0] if isinstance(value, list) and value else value) if value is not None else ""
        if not text:
            return False
        found = ua_parser.parse(text)
        browser, system, device = found.user_agent, found.os, found.device
        versions = _versions(browser, ("major", "minor", "patch"))
        about: Value = {"name": browser.family if browser else "Other"}
        kind = device.family if device else "Other"
        os_name = system.family if system else "Other"
        os_versions = _versions(system, ("major", "minor", "patch"))
        os_full = " ".join([os_name, *([".".join(os_versions)] if os_versions else [])])
        if versions:
            about["version"] = ".".join(versions)
        if is_ecs:
            about |= {"original": text, "device": {"name": kind}, "os": {"name": os_name, "full": os_full}}
            if os_versions:
                about["os"]["version"] = ".".join(os_versions)
        else:
            about |= {"os": os_name, "os_name": os_name, "os_full": os_full, "device": kind}
            about |= dict(zip(("major", "minor", "patch"), versions, strict=False))
            about |= dict(zip(("os_major", "os_minor", "os_patch"), os_versions, strict=False))
            if os_versions:
                about["os_version"] = ".".join(os_versions)
        for name, inner in about.items():
            event.put((*target, name if is_ecs else options.prefix + name), inner)
        return True

    return per_event(options, is_successful)


def _versions(of: object, names: Sequence[str]) -> list[str]:
    """The parts of a version up to the first that is missing."""
    found: list[str] = []
    for name in names:
        part = getattr(of, name, None)
        if not part:
            break
        found.append(str(part))
    return found
