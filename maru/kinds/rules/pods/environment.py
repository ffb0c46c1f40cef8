"""Rules of environment variables and of references to fields of the Pod itself.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateEnv, ValidateEnvFrom, validateObjectFieldSelector.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.quantity import ZERO
from maru.kinds.rules.pods.resources import amount
from maru.kinds.rules.text import (
    check,
    invalid,
    is_config_key,
    is_dns_subdomain,
    is_env_name,
    is_qualified_name,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause

ENV_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_KNOWN_PATHS = frozenset(
    {*ENV_PATHS, "metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase"}
)
RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SUBSCRIPTED = re.compile(r"(?P<path>[^\[\]]+)\['(?P<key>.*)'\]")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def check_env(variables: Sequence[Value], field: str) -> list[Cause]:
    """env of a container."""
    causes: list[Cause] = []
    for index, variable in enumerate(variables):
        name, at = variable.get("name") or "", f"{field}[{index}]"
        causes += check(is_env_name, f"{at}.name", name) if name else [required(f"{at}.name")]
        if variable.get("valueFrom") is not None:
            causes += _check_source(variable["valueFrom"], variable.get("value") or "", f"{at}.valueFrom")
    return causes


def check_env_from(sources: Sequence[Value], field: str) -> list[Cause]:
    """envFrom of a container."""
    causes: list[Cause] = []
    for index, source in enumerate(sources):
        at = f"{field}[{index}]"
        if source.get("prefix"):
            causes += check(is_env_name, f"{at}.prefix", source["prefix"])
        given = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in given:
            name = source[kind].get("name") or ""
            causes += check(is_dns_subdomain, f"{at}.{kind}.name", name) if name else [required(f"{at}.{kind}.name")]
        if not given:
            causes.append(invalid(field, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            causes.append(invalid(field, "", "may not have more than one field specified at a time"))
    return causes


def check_field_reference(reference: Value, field: str, paths: Sequence[str]) -> list[Cause]:
    """A path into the Pod. paths: those that stand alone here; labels and annotations take a key as well."""
    path = reference.get("fieldPath") or ""
    if not reference.get("apiVersion"):
        return [required(f"{field}.apiVersion")]
    if not path:
        return [required(f"{field}.fieldPath")]
    subscripted = _SUBSCRIPTED.fullmatch(path)
    if subscripted is not None:
        holder, key = subscripted["path"], subscripted["key"]
        if holder not in ("metadata.annotations", "metadata.labels"):
            return (
                [_unknown(path, f"{field}.fieldPath")]
                if holder not in _KNOWN_PATHS
                else [invalid(field, holder, "does not support subscript")]
            )
        return check(is_qualified_name, field, key.lower() if holder == "metadata.annotations" else key)
    if path not in _KNOWN_PATHS:
        return [_unknown(path, f"{field}.fieldPath")]
    return [] if path in paths else [unsupported(f"{field}.fieldPath", path, paths)]


def check_resource_reference(reference: Value, field: str, *, is_volume: bool = False) -> list[Cause]:
    """A container's limit or request, and the unit it is written in."""
    resource = reference.get("resource") or ""
    causes: list[Cause] = []
    if is_volume and not reference.get("containerName"):
        causes.append(required(f"{field}.containerName"))
    elif not resource:
        causes.append(required(f"{field}.resource"))
    elif resource not in RESOURCES and not resource.startswith(("requests.hugepages-", "limits.hugepages-")):
        causes.append(unsupported(f"{field}.resource", resource, RESOURCES))
    return causes + _check_divisor(resource, reference.get("divisor"), f"{field}.divisor")


def _check_divisor(resource: str, divisor: object, field: str) -> list[Cause]:
    quantity = amount(divisor or "0")
    what = resource.partition(".")[2]
    if quantity == ZERO or not quantity.nano or not what:
        return []
    if what == "cpu":
        good = str(quantity) in ("1m", "1")
        why = "only divisor's values 1m and 1 are supported with the cpu resource"
    else:
        good = str(quantity) in _BYTE_DIVISORS
        named = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(what, "hugepages")
        why = f"only divisor's values {', '.join(_BYTE_DIVISORS)} are supported with the {named} resource"
    return [] if good else [invalid(field, resource, why)]


def _check_source(source: Value, text: str, field: str) -> list[Cause]:
    given = [kind for kind in _SOURCES if source.get(kind) is not None]
    causes: list[Cause] = []
    if "fieldRef" in given:
        causes += check_field_reference(source["fieldRef"], f"{field}.fieldRef", ENV_PATHS)
    if "resourceFieldRef" in given:
        causes += check_resource_reference(source["resourceFieldRef"], f"{field}.resourceFieldRef")
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in given:
            causes += check(is_dns_subdomain, f"{field}.{kind}.name", source[kind].get("name") or "")
            key = source[kind].get("key") or ""
            causes += check(is_config_key, f"{field}.{kind}.key", key) if key else [required(f"{field}.{kind}.key")]
    if not given:
        why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        causes.append(invalid(field, "", why))
    elif text:
        causes.append(invalid(field, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        causes.append(invalid(field, "", "may not have more than one field specified at a time"))
    return causes


def _unknown(path: str, field: str) -> Cause:
    return invalid(field, path, f"error converting fieldPath: field label not supported: {path}")
