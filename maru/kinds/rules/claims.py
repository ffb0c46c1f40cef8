"""Rules of what a claim asks for, in claims, claim templates and ephemeral volumes.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidatePersistentVolumeClaimSpec.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.core.errors import Invalid
from maru.kinds.quantity import parse
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.text import check, forbidden, invalid, is_dns_subdomain, required, unsupported
from maru.kinds.strategy import Cause

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


def check_access_modes(modes: Sequence[str], field: str, missing: str) -> list[Cause]:
    """Some, of the known ones; ReadWriteOncePod stands alone. missing: what is said when there is none."""
    causes = [] if modes else [required(field, missing)]
    causes += [unsupported(field, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        causes.append(forbidden(field, "may not use ReadWriteOncePod with other access modes"))
    return causes


def check_positive_amount(text: object, field: str) -> list[Cause]:
    """A quantity over zero."""
    try:
        nano = parse(text).nano
    except Invalid:
        nano = 0
    return [] if nano > 0 else [invalid(field, text, "must be greater than zero")]


def check_claim_spec(spec: Value, field: str) -> list[Cause]:
    """A claim's specification."""
    causes = check_access_modes(
        spec.get("accessModes") or [], f"{field}.accessModes", "at least 1 access mode is required"
    )
    if spec.get("selector") is not None:
        causes += check_selector(spec["selector"], f"{field}.selector")
    asked = (spec.get("resources") or {}).get("requests") or {}
    if "storage" not in asked:
        causes.append(required(f"{field}.resources[storage]"))
    else:
        causes += check_positive_amount(asked["storage"], f"{field}.resources[storage]")
    for name in ("storageClassName", "volumeAttributesClassName"):
        if spec.get(name):
            causes += check(is_dns_subdomain, f"{field}.{name}", spec[name])
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        causes.append(unsupported(f"{field}.volumeMode", mode, VOLUME_MODES))
    for name in ("dataSource", "dataSourceRef"):
        if spec.get(name) is not None:
            causes += _check_source(spec[name], f"{field}.{name}")
    return causes


def _check_source(source: Value, field: str) -> list[Cause]:
    causes = [required(f"{field}.{name}") for name in ("name", "kind") if not source.get(name)]
    if not source.get("apiGroup") and source.get("kind") not in (None, "", "PersistentVolumeClaim"):
        causes.append(
            invalid(field, source.get("kind"), "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
        )
    return causes
