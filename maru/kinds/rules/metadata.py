"""The rules of metadata, the same for every kind but for what a name may look like.

Source: k8s.io/apimachinery/pkg/api/validation, ValidateObjectMeta.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.core.document import Value
from maru.kinds.rules.text import (
    Rule,
    check,
    check_annotations,
    check_labels,
    invalid,
    is_dns_1035_label,
    is_dns_label,
    is_dns_subdomain,
    is_path_segment,
    is_qualified_name,
    required,
)
from maru.kinds.strategy import Cause

NAME_RULES: Mapping[str, Rule] = {
    "subdomain": is_dns_subdomain,
    "label": is_dns_label,
    "label1035": is_dns_1035_label,
    "path_segment": is_path_segment,
}


def check_metadata(metadata: Value, name_form: str) -> list[Cause]:
    """Name, labels, annotations, owners and finalizers. name_form: a key of NAME_RULES."""
    name = metadata.get("name") or ""
    if name:
        causes = check(NAME_RULES[name_form], "metadata.name", name)
    else:
        causes = [required("metadata.name", "name or generateName is required")]
    causes += check_labels(metadata.get("labels"), "metadata.labels")
    causes += check_annotations(metadata.get("annotations"), "metadata.annotations")
    for finalizer in metadata.get("finalizers") or []:
        causes += check(is_qualified_name, "metadata.finalizers", finalizer)
        if "/" not in finalizer and finalizer not in ("orphan", "foregroundDeletion", "kubernetes"):
            why = "name is neither a standard finalizer name nor is it fully qualified"
            causes.append(invalid("metadata.finalizers", finalizer, why))
    return causes + _check_owners(metadata)


def _check_owners(metadata: Value) -> list[Cause]:
    causes: list[Cause] = []
    controllers: list[str] = []
    for index, owner in enumerate(metadata.get("ownerReferences") or []):
        field = f"metadata.ownerReferences[{index}]"
        for part in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(part):
                causes.append(invalid(f"{field}.{part}", "", f"{part} must not be empty"))
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > 1:
        why = f'Only one reference can have Controller set to true. Found "true" in references for {" and ".join(controllers[:2])}'
        causes.append(invalid("metadata.ownerReferences", metadata["ownerReferences"], why))
    return causes
