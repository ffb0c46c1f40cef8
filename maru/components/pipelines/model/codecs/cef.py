"""cef: ArcSight's Common Event Format, read and written.

A record is `CEF:0|vendor|product|version|class|name|severity|key=value ...`, mostly after a syslog header.
Fields have the names of the Elastic Common Schema, or (ecs_compatibility disabled) the format's own.
Source: Logstash reference, "Cef codec plugin"; ArcSight, "Implementing Common Event Format", revision 25.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from maru.components.pipelines.model.codecs.reading import MESSAGE
from maru.components.pipelines.model.codecs.shape import MakeReading, Write
from maru.components.pipelines.model.event import Event, encode_json, text_of
from maru.components.pipelines.model.options import Options, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

HEADERS = ("cefVersion", "deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity")
FAILURE = "_cefparsefailure"
RECORD_BYTES_MAX = 1 << 20
USUAL_SEVERITY, SEVERITY_MAX = "6", 10

_PIPE = re.compile(r"(?<!\\)(?:\\\\)*\|")
_KEY = re.compile(r"(?:^|(?<=\s))([\w.\-\[\]]+)(?<!\\)=")
_ABBREVIATED = {
    "act": "deviceAction", "app": "applicationProtocol", "cat": "deviceEventCategory", "cnt": "baseEventCount",
    "dhost": "destinationHostName", "dmac": "destinationMacAddress", "dntdom": "destinationNtDomain",
    "dpid": "destinationProcessId", "dpriv": "destinationUserPrivileges", "dproc": "destinationProcessName",
    "dpt": "destinationPort", "dst": "destinationAddress", "duid": "destinationUserId", "duser": "destinationUserName",
    "dvc": "deviceAddress", "dvchost": "deviceHostName", "dvcmac": "deviceMacAddress", "dvcpid": "deviceProcessId",
    "end": "endTime", "fname": "fileName", "fsize": "fileSize", "in": "bytesIn", "msg": "message", "out": "bytesOut",
    "outcome": "eventOutcome", "proto": "transportProtocol", "request": "requestUrl", "rt": "deviceReceiptTime",
    "shost": "sourceHostName", "smac": "sourceMacAddress", "sntdom": "sourceNtDomain", "spid": "sourceProcessId",
    "spriv": "sourceUserPrivileges", "sproc": "sourceProcessName", "spt": "sourcePort", "src": "sourceAddress",
    "start": "startTime", "suid": "sourceUserId", "suser": "sourceUserName",
    "ahost": "agentHostName", "agt": "agentAddress",
    "at": "agentType", "aid": "agentId", "av": "agentVersion", "atz": "agentTimeZone", "dtz": "deviceTimeZone",
    "mrt": "managerReceiptTime",
}  # fmt: skip
_ECS = {
    "cefVersion": "[cef][version]", "deviceVendor": "[observer][vendor]", "deviceProduct": "[observer][product]",
    "deviceVersion": "[observer][version]", "deviceEventClassId": "[event][code]", "name": "[cef][name]",
    "severity": "[event][severity]", "agentAddress": "[agent][ip]", "agentHostName": "[agent][name]",
    "agentId": "[agent][id]", "agentType": "[agent][type]", "agentVersion": "[agent][version]",
    "agentTimeZone": "[cef][agent][timezone]", "applicationProtocol": "[network][protocol]",
    "baseEventCount": "[cef][base_event_count]", "bytesIn": "[source][bytes]", "bytesOut": "[destination][bytes]",
    "destinationAddress": "[destination][ip]", "destinationHostName": "[destination][domain]",
    "destinationMacAddress": "[destination][mac]", "destinationNtDomain": "[destination][registered_domain]",
    "destinationPort": "[destination][port]", "destinationProcessId": "[destination][process][pid]",
    "destinationProcessName": "[destination][process][name]", "destinationUserId": "[destination][user][id]",
    "destinationUserName": "[destination][user][name]", "destinationUserPrivileges": "[destination][user][group][name]",
    "deviceAction": "[event][action]", "deviceAddress": "[observer][ip]", "deviceEventCategory": "[cef][category]",
    "deviceHostName": "[observer][hostname]", "deviceMacAddress": "[observer][mac]",
    "deviceProcessId": "[process][pid]", "deviceReceiptTime": "@timestamp", "deviceTimeZone": "[event][timezone]",
    "endTime": "[event][end]", "eventId": "[event][id]", "eventOutcome": "[event][outcome]",
    "externalId": "[cef][external_id]", "fileHash": "[file][hash]", "fileName": "[file][name]",
    "filePath": "[file][path]", "fileSize": "[file][size]", "message": "[message]", "reason": "[event][reason]",
    "requestClientApplication": "[user_agent][original]", "requestMethod": "[http][request][method]",
    "requestUrl": "[url][original]", "sourceAddress": "[source][ip]", "sourceHostName": "[source][domain]",
    "sourceMacAddress": "[source][mac]", "sourceNtDomain": "[source][registered_domain]",
    "sourcePort": "[source][port]",
    "sourceProcessId": "[source][process][pid]", "sourceProcessName": "[source][process][name]",
    "sourceUserId": "[source][user][id]", "sourceUserName": "[source][user][name]",
    "sourceUserPrivileges": "[source][user][group][name]", "startTime": "[event][start]",
    "transportProtocol": "[network][transport]",
}  # fmt: skip
"""What is not here (device-custom strings and numbers, mostly) goes under [cef]."""


class CefOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """delimiter: between records, "" if each message is one. fields: what is written as the extension."""

    delimiter: str = ""
    fields: Sequence[str] = ()
    name: str = "Logstash"
    product: str = "Logstash"
    severity: str = USUAL_SEVERITY
    signature: str = "Logstash"
    vendor: str = "Elasticsearch"
    version: str = "1.0"
    raw_data_field: str = ""
    reverse_mapping: bool = False
    ecs_compatibility: str = "v8"


class _Cef:
    def __init__(self, options: CefOptions) -> None:
        self._options = options
        self._delimiter = options.delimiter.encode()
        self._rest = b""

    def feed(self, chunk: bytes) -> Sequence[Value]:
        if not self._delimiter:
            return [read_record(chunk.decode("utf-8", "replace"), self._options)]
        *records, self._rest = (self._rest + chunk).split(self._delimiter)
        if len(self._rest) > RECORD_BYTES_MAX:
            records, self._rest = [*records, self._rest], b""
        return [read_record(record.decode("utf-8", "replace"), self._options) for record in records if record]

    def end(self) -> Sequence[Value]:
        rest, self._rest = self._rest, b""
        return [read_record(rest.decode("utf-8", "replace"), self._options)] if rest else ()


def read_cef(plugin: Plugin) -> MakeReading:
    """cef."""
    options = options_of(plugin, CefOptions, "codec")
    return lambda: _Cef(options)


def read_record(text: str, options: CefOptions) -> Value:
    """The fields of one record; what is none is a message with a tag."""
    event = Event({})
    if options.raw_data_field:
        event.put(parse_reference(options.raw_data_field), text)
    begin = text.find("CEF:")
    pieces = _pieces(text[begin:].strip('"\r\n')) if begin >= 0 else []
    if len(pieces) < len(HEADERS):
        return {**event.fields, MESSAGE: text, "tags": [FAILURE]}
    is_ecs = options.ecs_compatibility != "disabled"
    if text[:begin].strip():
        event.put(("log", "syslog", "header") if is_ecs else ("syslog",), text[:begin].strip())
    for name, value in zip(HEADERS, [pieces[0].removeprefix("CEF:"), *pieces[1:]], strict=False):
        event.put(_place(name, is_ecs=is_ecs), re.sub(r"\\([\\|])", r"\1", value))
    for name, value in _extension(pieces[7].strip() if len(pieces) > len(HEADERS) else "").items():
        event.put(_place(_ABBREVIATED.get(name, name), is_ecs=is_ecs), value)
    return event.fields


def _pieces(text: str) -> list[str]:
    """Divided at the first seven pipes that are not escaped."""
    pieces: list[str] = []
    at = 0
    for match in _PIPE.finditer(text):
        pieces.append(text[at : match.end() - 1])
        at = match.end()
        if len(pieces) == len(HEADERS):
            break
    return [*pieces, text[at:]]


def _extension(text: str) -> Mapping[str, str]:
    matches = list(_KEY.finditer(text))
    found: dict[str, str] = {}
    for index, match in enumerate(matches):
        end = matches[index + 1].start() if index + 1 < len(matches) else len(text)
        value = text[match.end() : end].rstrip(" \t") if index + 1 < len(matches) else text[match.end() : end]
        found[match[1]] = re.sub(r"\\(.)", lambda escaped: {"n": "\n", "r": "\r"}.get(escaped[1], escaped[1]), value)
    return found


def _place(name: str, *, is_ecs: bool) -> tuple[str, ...]:
    if not is_ecs:
        return (name,)
    return parse_reference(_ECS[name]) if name in _ECS else ("cef", name)


def write_cef(plugin: Plugin) -> Write:
    """cef. Raises Invalid: reverse_mapping."""
    options = options_of(plugin, CefOptions, "codec")
    if options.reverse_mapping:
        raise Invalid(what="codec 'cef'", why="reverse_mapping is not supported", fix="name fields by their short keys")

    def write(event: Event) -> bytes:
        severity = event.sprintf(options.severity).strip()
        is_right = severity.replace(".0", "").isdigit() and float(severity) <= SEVERITY_MAX
        heads = [
            event.sprintf(value) or usual
            for value, usual in (
                (options.vendor, "Elasticsearch"), (options.product, "Logstash"), (options.version, "1.0"),
                (options.signature, "Logstash"), (options.name, "Logstash"),
            )
        ]  # fmt: skip
        head = "|".join(["CEF:0", *map(_header_text, heads), severity if is_right else USUAL_SEVERITY])
        pairs = []
        for name in options.fields:
            value = event.get(parse_reference(name))
            if value is not None:
                key = re.sub(r"[^a-zA-Z0-9]", "", name)
                text = encode_json(value).decode() if isinstance(value, dict | list) else text_of(value)
                pairs.append(f"{key}={_extension_text(text)}")
        return f"{head}|{' '.join(pairs)}{options.delimiter}".encode()

    return write


def _header_text(text: str) -> str:
    return re.sub(r"\s*[\r\n]+\s*", " ", text).replace("\\", "\\\\").replace("|", "\\|")


def _extension_text(text: str) -> str:
    return re.sub(r"\r\n|[\r\n]", r"\\n", text.replace("\\", "\\\\").replace("=", "\\="))
