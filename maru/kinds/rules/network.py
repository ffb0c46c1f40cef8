"""Rules about addresses, networks, hosts and paths.

Source: k8s.io/apimachinery/pkg/util/validation (ip.go, validation.go); pkg/apis/core/validation, ValidateNonSpecialIP.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from maru.kinds.rules.text import SUBDOMAIN, check, invalid, is_dns_label, is_dns_subdomain
from maru.kinds.strategy import Cause

IP_WORDS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_WORDS = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_LINK_LOCAL_MULTICAST = {4: ip_network("224.0.0.0/24"), 6: ip_network("ff02::/16")}
_MULTICAST_WORDS = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
HTTP_HEADER = re.compile("[-A-Za-z0-9]+")
HTTP_HEADER_WORDS = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation is '[-A-Za-z0-9]+')"
)
WILDCARD_WORDS = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
    r"regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def family(text: str) -> str:
    """IPv4, IPv6, or empty for what is no address."""
    try:
        return f"IPv{ip_address(text).version}"
    except ValueError:
        return ""


def check_ip(text: str, field: str) -> list[Cause]:
    """An address of either family."""
    return [] if family(text) and "%" not in text else [invalid(field, text, IP_WORDS)]


def check_ordinary_ip(text: str, field: str) -> list[Cause]:
    """An address that is neither unspecified, nor loopback, nor link-local."""
    causes = check_ip(text, field)
    if causes:
        return causes
    address = ip_address(text)
    if address.is_unspecified:
        causes.append(invalid(field, text, f"may not be unspecified ({address})"))
    if address.is_loopback:
        causes.append(invalid(field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        causes.append(invalid(field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address in _LINK_LOCAL_MULTICAST[address.version]:
        causes.append(invalid(field, text, _MULTICAST_WORDS))
    return causes


def check_cidr(text: str, field: str) -> list[Cause]:
    """A network; bits beside the mask are allowed, as they always were."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return [invalid(field, text, CIDR_WORDS)]
    return [] if "/" in text else [invalid(field, text, CIDR_WORDS)]


def is_wildcard(text: str) -> Sequence[str]:
    """A subdomain whose first label is a star."""
    return [] if text.startswith("*.") and SUBDOMAIN.fullmatch(text[2:]) else [WILDCARD_WORDS]


def check_host(text: str, field: str) -> list[Cause]:
    """A host of an Ingress rule: a name, perhaps a wildcard, never an address."""
    causes = [invalid(field, text, "must be a DNS name, not an IP address")] if family(text) else []
    return causes + check(is_wildcard if "*" in text else is_dns_subdomain, field, text)


def is_http_header(text: str) -> Sequence[str]:
    """The name of an HTTP header."""
    return [] if HTTP_HEADER.fullmatch(text) else [HTTP_HEADER_WORDS]


def is_fully_qualified(text: str) -> Sequence[str]:
    """A name of at least three labels, as webhooks have."""
    problems = is_dns_subdomain(text)
    if problems:
        return problems
    if text.count(".") < 2:
        return ["should be a domain with at least three segments separated by dots"]
    return [problem for label in text.split(".") for problem in is_dns_label(label)]


def check_local_path(text: str, field: str) -> list[Cause]:
    """A path below something: relative, and without steps back."""
    causes = [invalid(field, text, "must be a relative path")] if text.startswith("/") else []
    return causes + check_no_steps_back(text, field)


def check_no_steps_back(text: str, field: str) -> list[Cause]:
    """A path without `..`."""
    return [invalid(field, text, "must not contain '..'")] if ".." in text.split("/") else []
