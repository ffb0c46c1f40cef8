"""Rules about single values: names, labels, ports, numbers; and the words of each kind of cause.

Source: k8s.io/apimachinery/pkg/util/validation and pkg/util/validation/field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from maru.kinds.strategy import Cause

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")

LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035_WORDS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
QUALIFIED_FORM_WORDS = (
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
    "an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
    "(e.g. 'example.com/MyName')"
)
LABEL_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY_WORDS = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
ENV_NAME = re.compile(r"[ -<>-~]+")
ENV_NAME_WORDS = "a valid environment variable name must consist only of printable ASCII characters other than '='"
PORT_NAME = re.compile(r"[-a-z0-9]+")
PORT_NAME_MAX = 15
NAME_MAX = 253
LABEL_MAX = 63
ANNOTATIONS_BYTES_MAX = 256 * 1024

Rule = Callable[[str], Sequence[str]]
"""What is wrong with a text, in the server's words; empty when nothing is."""


def invalid(field: str, value: object, why: str) -> Cause:
    """Invalid value: "x": why."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown(value)}: {why}")


def immutable(field: str, value: object, why: str = "field is immutable") -> Cause:
    """A change to what may not change."""
    return invalid(field, value, why)


def required(field: str, why: str = "") -> Cause:
    """Required value, and why if there is more to say."""
    return Cause(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def forbidden(field: str, why: str) -> Cause:
    """Forbidden: why."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


def duplicate(field: str, value: object) -> Cause:
    """Duplicate value: "x"."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def not_found(field: str, value: object) -> Cause:
    """Not found: "x"."""
    return Cause(field, "FieldValueNotFound", f"Not found: {shown(value)}")


def too_long(field: str, bytes_max: int) -> Cause:
    """Too long: may not be more than N bytes."""
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {bytes_max} bytes")


def too_many(field: str, given: int, items_max: int) -> Cause:
    """Too many: N: must have at most M items."""
    return Cause(field, "FieldValueTooMany", f"Too many: {given}: must have at most {items_max} items")


def unsupported(field: str, value: object, supported: Iterable[object]) -> Cause:
    """Unsupported value: "x": supported values: "a", "b", in the order given."""
    listed = ", ".join(shown(one) for one in supported)
    return Cause(field, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {listed}")


def shown(value: object) -> str:
    """A value as Go prints it in a cause: texts quoted, all else as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def is_dns_label(text: str) -> Sequence[str]:
    """RFC 1123 label of at most 63 characters."""
    return _sized(text, LABEL_MAX, LABEL, LABEL_WORDS)


def is_dns_1035_label(text: str) -> Sequence[str]:
    """RFC 1035 label of at most 63 characters."""
    return _sized(text, LABEL_MAX, LABEL_1035, LABEL_1035_WORDS)


def is_dns_subdomain(text: str) -> Sequence[str]:
    """RFC 1123 subdomain of at most 253 characters."""
    return _sized(text, NAME_MAX, SUBDOMAIN, SUBDOMAIN_WORDS)


def is_path_segment(text: str) -> Sequence[str]:
    """What kinds like Role allow: anything that fits into one segment of a path."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{mark}'" for mark in ("/", "%") if mark in text]


def is_qualified_name(text: str) -> Sequence[str]:
    """A label or annotation key: [prefix/]name."""
    if text.count("/") > 1:
        return [QUALIFIED_FORM_WORDS]
    prefix, slash, name = text.rpartition("/")
    problems: list[str] = []
    if slash:
        if not prefix:
            problems.append("prefix part must be non-empty")
        problems += [f"prefix part {problem}" for problem in is_dns_subdomain(prefix)] if prefix else []
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > LABEL_MAX:
        problems.append(f"name part must be no more than {LABEL_MAX} bytes")
    if not QUALIFIED.fullmatch(name):
        problems.append(QUALIFIED_WORDS)
    return problems


def is_label_value(text: str) -> Sequence[str]:
    """At most 63 characters, alphanumeric at both ends, or empty."""
    problems = [] if len(text) <= LABEL_MAX else [f"must be no more than {LABEL_MAX} bytes"]
    return problems if LABEL_VALUE.fullmatch(text) else [*problems, LABEL_VALUE_WORDS]


def is_config_key(text: str) -> Sequence[str]:
    """A key of a ConfigMap or Secret."""
    problems = [] if len(text) <= NAME_MAX else [f"must be no more than {NAME_MAX} bytes"]
    if not CONFIG_KEY.fullmatch(text):
        problems.append(CONFIG_KEY_WORDS)
    if text in (".", ".."):
        problems.append(f"must not be '{text}'")
    elif text.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def is_port(number: object) -> Sequence[str]:
    """1 to 65535."""
    return [] if isinstance(number, int) and 1 <= number <= 65535 else ["must be between 1 and 65535, inclusive"]


def check(rule: Rule, field: str, text: str) -> list[Cause]:
    """The causes of `rule` on one field."""
    return [invalid(field, text, problem) for problem in rule(text)]


def check_labels(labels: Mapping[str, str] | None, field: str) -> list[Cause]:
    """Keys and values of labels."""
    causes: list[Cause] = []
    for key, value in (labels or {}).items():
        causes += check(is_qualified_name, field, key)
        causes += [invalid(field, value, problem) for problem in is_label_value(value or "")]
    return causes


def check_annotations(annotations: Mapping[str, str] | None, field: str) -> list[Cause]:
    """Keys, and the size of all together."""
    causes: list[Cause] = []
    size = 0
    for key, value in (annotations or {}).items():
        causes += check(is_qualified_name, field, key.lower())
        size += len(key.encode()) + len((value or "").encode())
    if size > ANNOTATIONS_BYTES_MAX:
        causes.append(too_long(field, ANNOTATIONS_BYTES_MAX))
    return causes


def check_not_negative(number: object, field: str) -> list[Cause]:
    """Zero or more, where it is given."""
    if isinstance(number, int) and number < 0:
        return [invalid(field, number, "must be greater than or equal to 0")]
    return []


def _sized(text: str, length_max: int, pattern: re.Pattern[str], words: str) -> Sequence[str]:
    problems = [] if len(text) <= length_max else [f"must be no more than {length_max} bytes"]
    return problems if pattern.fullmatch(text) else [*problems, words]


def is_env_name(text: str) -> Sequence[str]:
    """Printable ASCII but the equals sign."""
    problems = [] if ENV_NAME.fullmatch(text) else [ENV_NAME_WORDS]
    if text in (".", ".."):
        problems.append(f"must not be '{text}'")
    elif text.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def is_port_name(text: str) -> Sequence[str]:
    """An IANA service name: at most 15 lower case letters, digits and single dashes, at least one letter."""
    problems = [] if len(text) <= PORT_NAME_MAX else [f"must be no more than {PORT_NAME_MAX} characters"]
    if not PORT_NAME.fullmatch(text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def check_port(port: object, field: str) -> list[Cause]:
    """A port by number or by name."""
    problems = is_port_name(port) if isinstance(port, str) else is_port(port or 0)
    return [invalid(field, port if port is not None else 0, problem) for problem in problems]
