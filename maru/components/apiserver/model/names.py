"""What names, label keys and label values may look like, with the sentences the real server says.

Source: k8s.io/apimachinery/pkg/util/validation, pkg/api/validation/name.go; the name rule of each
kind in k8s.io/kubernetes/pkg/apis/*/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

SUBDOMAIN_MAX = 253
LABEL_MAX = 63
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_RE = re.compile(_LABEL)
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035_RE = re.compile(_LABEL_1035)
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_RE = re.compile(_SUBDOMAIN)
_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_PART_RE = re.compile(_PART)
_VALUE_RE = re.compile(rf"({_PART})?")

NameRule = Callable[[str, bool], Sequence[str]]
"""(name, whether it is only a prefix that a suffix will follow) to complaints."""


def subdomain(name: str, is_prefix: bool = False) -> Sequence[str]:
    """RFC 1123 subdomain: most kinds."""
    name = _masked(name, is_prefix)
    found = []
    if len(name) > SUBDOMAIN_MAX:
        found.append(f"must be no more than {SUBDOMAIN_MAX} characters")
    if not _SUBDOMAIN_RE.fullmatch(name):
        found.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            f"'{_SUBDOMAIN}')"
        )
    return found


def label(name: str, is_prefix: bool = False) -> Sequence[str]:
    """RFC 1123 label: namespaces, service accounts' tokens, container names."""
    name = _masked(name, is_prefix)
    found = []
    if len(name) > LABEL_MAX:
        found.append(f"must be no more than {LABEL_MAX} characters")
    if not _LABEL_RE.fullmatch(name):
        found.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
            "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            f"'{_LABEL}')"
        )
    return found


def label_1035(name: str, is_prefix: bool = False) -> Sequence[str]:
    """RFC 1035 label: Services."""
    name = _masked(name, is_prefix)
    found = []
    if len(name) > LABEL_MAX:
        found.append(f"must be no more than {LABEL_MAX} characters")
    if not _LABEL_1035_RE.fullmatch(name):
        found.append(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
            f"validation is '{_LABEL_1035}')"
        )
    return found


def path_segment(name: str, is_prefix: bool = False) -> Sequence[str]:
    """Anything that is one part of a path: RBAC kinds."""
    if not is_prefix and name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{sign}'" for sign in "/%" if sign in name]


_RULES: Mapping[str, NameRule] = {
    "namespaces": label,
    "services": label_1035,
    "roles.rbac.authorization.k8s.io": path_segment,
    "rolebindings.rbac.authorization.k8s.io": path_segment,
    "clusterroles.rbac.authorization.k8s.io": path_segment,
    "clusterrolebindings.rbac.authorization.k8s.io": path_segment,
    "ipaddresses.networking.k8s.io": path_segment,
    "apiservices.apiregistration.k8s.io": path_segment,
}


def rule_of(storage: str) -> NameRule:
    """The name rule of a kind."""
    return _RULES.get(storage, subdomain)


def qualified_name(name: str) -> Sequence[str]:
    """A label or annotation key: an optional subdomain prefix, a slash, and a part of at most 63 characters."""
    found: list[str] = []
    prefix, slash, part = name.rpartition("/")
    if slash:
        if not prefix:
            found.append("prefix part must be non-empty")
        elif "/" in prefix:
            return [
                "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
                f"with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
                f"validation is '{_PART}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ]
        else:
            found += [f"prefix part {text}" for text in subdomain(prefix)]
    if not part:
        found.append("name part must be non-empty")
    elif len(part) > LABEL_MAX:
        found.append(f"name part must be no more than {LABEL_MAX} characters")
    if not _PART_RE.fullmatch(part):
        found.append(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            f"alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            f"'{_PART}')"
        )
    return found


def label_value(value: str) -> Sequence[str]:
    """A label's value."""
    found = []
    if len(value) > LABEL_MAX:
        found.append(f"must be no more than {LABEL_MAX} characters")
    if not _VALUE_RE.fullmatch(value):
        found.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
            f"validation is '({_PART})?')"
        )
    return found


def _masked(name: str, is_prefix: bool) -> str:
    """A prefix may end in a dash, as a suffix follows it."""
    return f"{name[:-1]}a" if is_prefix and name.endswith("-") else name
