"""format.named: the named formats of the API, and whether a text is one.

Source: Kubernetes docs, "Common Expression Language in Kubernetes", Format library;
k8s.io/apimachinery/pkg/util/validation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.functions import Entry, function, method
from maru.wire.cel.library.times import parse_timestamp
from maru.wire.cel.values import NONE, Opaque, Optional

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_VALUE = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)
_LABEL35_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)

Check = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Format(Opaque):
    """name: as format.named takes it."""

    type_name = "kubernetes.NamedFormat"
    name: str
    check: Check


def _matching(pattern: str, most: int, words: str, text: str) -> list[str]:
    wrong = [f"must be no more than {most} characters"] if len(text) > most else []
    if not re.fullmatch(pattern, text):
        wrong.append(f"{words} (regex used for validation is '{pattern}')")
    return wrong


def _prefix(check: Check, text: str) -> list[str]:
    return check(text[:-1] + "a" if text.endswith(("-", ".")) else text)


def _qualified(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    wrong = [f"prefix part {one}" for one in _SUBDOMAIN(prefix)] if slash else []
    return wrong + [
        f"name part {one}" for one in _matching(_VALUE, 63, "must consist of alphanumeric characters", name)
    ]


def _label_value(text: str) -> list[str]:
    return (
        _matching(_VALUE, 63, "a valid label must be an empty string or consist of alphanumeric characters", text)
        if text
        else []
    )


def _uri(text: str) -> list[str]:
    return [] if re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S*|/\S*", text) else ["invalid URI"]


def _uuid(text: str) -> list[str]:
    pattern = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
    return [] if re.fullmatch(pattern, text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return []


def _date(text: str) -> list[str]:
    return _date_time(f"{text}T00:00:00Z") and ["invalid date"]


def _date_time(text: str) -> list[str]:
    try:
        parse_timestamp(text)
    except EvaluationError:
        return ["invalid datetime"]
    return []


_DNS_LABEL: Check = partial(_matching, _LABEL, 63, _LABEL_TEXT)
_SUBDOMAIN: Check = partial(_matching, rf"{_LABEL}(\.{_LABEL})*", 253, _SUBDOMAIN_TEXT)
_LABEL35: Check = partial(_matching, r"[a-z]([-a-z0-9]*[a-z0-9])?", 63, _LABEL35_TEXT)
FORMATS: Mapping[str, Check] = {
    "dns1123Label": _DNS_LABEL,
    "dns1123Subdomain": _SUBDOMAIN,
    "dns1035Label": _LABEL35,
    "dns1123LabelPrefix": partial(_prefix, _DNS_LABEL),
    "dns1123SubdomainPrefix": partial(_prefix, _SUBDOMAIN),
    "dns1035LabelPrefix": partial(_prefix, _LABEL35),
    "qualifiedName": _qualified,
    "labelValue": _label_value,
    "uri": _uri,
    "uuid": _uuid,
    "byte": _byte,
    "date": _date,
    "datetime": _date_time,
}


def entries() -> Iterable[Entry]:
    """format.named, format.<name>() and validate."""
    kind = "kubernetes.NamedFormat"
    yield function("format.named", "string", f"optional<{kind}>", _named)
    for name, check in FORMATS.items():
        yield function(f"format.{name}", "", kind, lambda name=name, check=check: Format(name, check))
    yield method("validate", f"{kind},string", "optional<list<string>>", _validate)


def _named(name: str) -> Optional:
    check = FORMATS.get(name)
    return NONE if check is None else Optional(True, Format(name, check))


def _validate(one: Format, text: str) -> Optional:
    wrong = one.check(text)
    return Optional(True, wrong) if wrong else NONE
