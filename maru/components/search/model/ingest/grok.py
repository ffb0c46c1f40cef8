"""Grok of ingest pipelines: %{NAME:field:type} over the patterns of the field.

Source: Elasticsearch reference, "Grok processor"; the formats that the patterns name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maru.wire.elastic.json import Json, Object

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
PATTERNS = {
    "USERNAME": r"[a-zA-Z0-9._-]+",
    "USER": r"%{USERNAME}",
    "EMAILLOCALPART": r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}",
    "EMAILADDRESS": r"%{EMAILLOCALPART}@%{HOSTNAME}",
    "INT": r"[+-]?\d+",
    "BASE10NUM": r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)",
    "NUMBER": r"%{BASE10NUM}",
    "BASE16NUM": r"[+-]?(?:0x)?[0-9A-Fa-f]+",
    "POSINT": r"\b[1-9]\d*\b",
    "NONNEGINT": r"\b\d+\b",
    "WORD": r"\b\w+\b",
    "NOTSPACE": r"\S+",
    "SPACE": r"\s*",
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "QUOTEDSTRING": r"\"(?:\\.|[^\\\"])*\"|'(?:\\.|[^\\'])*'|`(?:\\.|[^\\`])*`",
    "QS": r"%{QUOTEDSTRING}",
    "UUID": r"[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}",
    "MAC": r"(?:[A-Fa-f0-9]{2}[:-]){5}[A-Fa-f0-9]{2}",
    "IPV4": rf"(?<!\d){_OCTET}(?:\.{_OCTET}){{3}}(?!\d)",
    "IPV6": r"(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:%\w+)?",
    "IP": r"(?:%{IPV6}|%{IPV4})",
    "HOSTNAME": r"\b[0-9A-Za-z][0-9A-Za-z-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62})*\.?",
    "HOST": r"%{HOSTNAME}",
    "IPORHOST": r"(?:%{IP}|%{HOSTNAME})",
    "HOSTPORT": r"%{IPORHOST}:%{POSINT}",
    "UNIXPATH": r"(?:/[\w_%!$@:.,+~-]*)+",
    "PATH": r"(?:%{UNIXPATH}|%{WINPATH})",
    "WINPATH": r"(?:[A-Za-z]:|\\)(?:\\[^\\?*]*)+",
    "TTY": r"/dev/(?:pts|tty[pq]?)(?:\w+)?/?\d*",
    "URIPROTO": r"[A-Za-z][A-Za-z0-9+.-]+",
    "URIHOST": r"%{IPORHOST}(?::%{POSINT})?",
    "URIPATH": r"(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_-]*)+",
    "URIPARAM": r"\?\S*",
    "URIPATHPARAM": r"%{URIPATH}(?:%{URIPARAM})?",
    "URI": r"%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
    "MONTH": (
        r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|"
        r"Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b"
    ),
    "MONTHNUM": r"0?[1-9]|1[0-2]",
    "MONTHDAY": r"(?:0[1-9]|[12]\d|3[01]|[1-9])",
    "DAY": r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*",
    "YEAR": r"\d\d(?:\d\d)?",
    "HOUR": r"(?:2[0123]|[01]?\d)",
    "MINUTE": r"[0-5]\d",
    "SECOND": r"(?:[0-5]?\d|60)(?:[:.,]\d+)?",
    "TIME": r"%{HOUR}:%{MINUTE}(?::%{SECOND})?",
    "ISO8601_TIMEZONE": r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))",
    "TIMESTAMP_ISO8601": r"%{YEAR}-(?:%{MONTHNUM})-%{MONTHDAY}[T ]"
    r"%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?",
    "TZ": r"[A-Z]{3,4}",
    "HTTPDATE": r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
    "SYSLOGTIMESTAMP": r"%{MONTH} +%{MONTHDAY} %{TIME}",
    "PROG": r"[!-Z\\^-~]+",
    "SYSLOGPROG": r"%{PROG:program}(?:\[%{POSINT:pid}\])?",
    "SYSLOGHOST": r"%{IPORHOST}",
    "SYSLOGBASE": r"%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGHOST:logsource} )?%{SYSLOGPROG}:",
    "LOGLEVEL": (
        r"(?i:trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|"
        r"emerg(?:ency)?|alert)"
    ),
    "COMMONAPACHELOG": (
        r'%{IPORHOST:clientip} %{NOTSPACE:ident} %{NOTSPACE:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} '
        r'%{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" %{NUMBER:response} '
        r"(?:%{NUMBER:bytes}|-)"
    ),
    "COMBINEDAPACHELOG": r"%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}",
}


@dataclass(frozen=True)
class Grok:
    """fields: (group, path, type)."""

    expression: re.Pattern[str]
    fields: tuple[tuple[str, str, str], ...]

    def match(self, text: str) -> dict[str, Json] | None:
        """The fields by path."""
        found = self.expression.search(text)
        if found is None:
            return None
        values: dict[str, Json] = {}
        for group, path, kind in self.fields:
            value = found.group(group)
            if value is not None:
                values[path] = _typed(value, kind)
        return values


def grok_pattern(pattern: str, own: Object) -> Grok:
    """Compile. Raises illegal_argument for a pattern there is not."""
    from maru.components.search.errors import illegal

    fields: list[tuple[str, str, str]] = []

    def put(text: str, depth: int) -> str:
        if depth > 30:
            raise illegal(f"circular reference in pattern [{pattern}]")

        def one(found: re.Match[str]) -> str:
            name, path, kind = found[1], found[2], found[3]
            inner = own.get(name, PATTERNS.get(name))
            if inner is None:
                raise illegal(f"Unable to find pattern [{name}] in Grok's pattern dictionary")
            body = put(str(inner), depth + 1)
            if not path:
                return f"(?:{body})"
            group = f"g{len(fields)}"
            fields.append((group, re.sub(r"\]\[", ".", path).strip("[]"), kind or ""))
            return f"(?P<{group}>{body})"

        return re.sub(r"%\{(\w+)(?::([\w.@\[\]-]+))?(?::(\w+))?\}", one, text)

    def named(found: re.Match[str]) -> str:
        group = f"n{len(fields)}"
        fields.append((group, found[1], ""))
        return f"(?P<{group}>"

    body = put(pattern, 0)
    body = re.sub(r"\(\?<([a-zA-Z][\w.]*)>", named, body)
    try:
        return Grok(re.compile(body), tuple(fields))
    except re.error as error:
        raise illegal(f"Invalid regex pattern found in: [{pattern}]. {error}") from error


def _typed(value: str, kind: str) -> Json:
    if kind in ("int", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    return value.lower() == "true" if kind == "boolean" else value
