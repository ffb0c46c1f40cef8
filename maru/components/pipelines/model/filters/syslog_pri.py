"""syslog_pri: a priority number is taken apart into facility and severity.

Source: Logstash reference, "Syslog_pri filter plugin"; RFC 3164, section 4.1.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

USUAL_PRIORITY = 13
PRIORITY_MAX = 191
FACILITIES = (
    "kernel", "user-level", "mail", "daemon", "security/authorization", "syslogd", "line printer", "network news",
    "uucp", "clock", "security/authorization", "ftp", "ntp", "log audit", "log alert", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")


class SyslogPriOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    syslog_pri_field_name: str = ""
    use_labels: bool = True
    facility_labels: Sequence[str] = FACILITIES
    severity_labels: Sequence[str] = SEVERITIES
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid as options do."""
    options = options_of(plugin, SyslogPriOptions, "filter")
    is_ecs = options.ecs_compatibility != "disabled"
    source = parse_reference(options.syslog_pri_field_name or ("[log][syslog][priority]" if is_ecs else "syslog_pri"))
    names = (
        tuple(
            f"[log][syslog]{name}"
            for name in ("[facility][code]", "[severity][code]", "[facility][name]", "[severity][name]")
        )
        if is_ecs
        else ("syslog_facility_code", "syslog_severity_code", "syslog_facility", "syslog_severity")
    )
    facility_code, severity_code, facility_name, severity_name = map(parse_reference, names)

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        value = value[0] if isinstance(value, list) and value else value
        try:
            priority = int(text_of(value)) if value is not None else USUAL_PRIORITY
        except ValueError:
            priority = -1
        if not 0 <= priority <= PRIORITY_MAX:
            event.tag("_syslogpriparsefailure")
            return False
        facility, severity = divmod(priority, 8)
        event.put(facility_code, facility)
        event.put(severity_code, severity)
        if options.use_labels and facility < len(options.facility_labels):
            event.put(facility_name, options.facility_labels[facility])
        if options.use_labels and severity < len(options.severity_labels):
            event.put(severity_name, options.severity_labels[severity])
        return True

    return per_event(options, is_successful)
