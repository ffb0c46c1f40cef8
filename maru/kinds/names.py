"""What a document of each kind may be called.

Source: the name rule of each kind in k8s.io/kubernetes/pkg/apis/*/validation; k8s.io/apimachinery/pkg/api/validation,
name.go (what a prefix may be).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from maru.kinds.rules.text import (
    Rule,
    is_dns_1035_label,
    is_dns_label,
    is_dns_subdomain,
    is_path_segment,
)

_ADMISSION = "admissionregistration.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
DRIVER_NAME_MAX = 63


def is_name(storage: str, name: str, *, is_prefix: bool = False) -> Sequence[str]:
    """What is wrong with `name` for a kind; as a prefix (generateName) it may end in a dash."""
    rule = _RULES.get(storage, is_dns_subdomain)
    if is_prefix:
        if rule is is_path_segment and name in (".", ".."):
            return []
        name = f"{name[:-1]}a" if rule is not is_path_segment and name.endswith("-") else name
    return rule(name)


def _is_anything(name: str) -> Sequence[str]:
    return []


def _is_address(name: str) -> Sequence[str]:
    try:
        address = ip_address(name)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if str(address) == name else [f"must be in canonical form ({str(address)!r})"]


def _is_driver(name: str) -> Sequence[str]:
    problems = [f"must be no more than {DRIVER_NAME_MAX} bytes"] if len(name) > DRIVER_NAME_MAX else []
    return [*problems, *is_dns_subdomain(name.lower())]


_RULES: Mapping[str, Rule] = {
    "namespaces": is_dns_label,
    "services": is_dns_1035_label,
    "statefulsets.apps": is_dns_label,
    "apiservices.apiregistration.k8s.io": is_path_segment,
    "certificatesigningrequests.certificates.k8s.io": _is_anything,
    "csidrivers.storage.k8s.io": _is_driver,
    "ipaddresses.networking.k8s.io": _is_address,
    f"clusterrolebindings.{_RBAC}": is_path_segment,
    f"clusterroles.{_RBAC}": is_path_segment,
    f"rolebindings.{_RBAC}": is_path_segment,
    f"roles.{_RBAC}": is_path_segment,
}
