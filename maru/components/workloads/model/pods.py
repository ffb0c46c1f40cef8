"""Making a Pod from a template, as all controllers do.

Source: k8s.io/kubernetes/pkg/controller, GetPodFromTemplate and podutil.
"""

from __future__ import annotations

from maru.components.workloads.model.values import clone, owner_reference
from maru.core.document import Resource, Value

NAME_BASE_MAX = 58  # names have at most 63 characters, the suffix takes 5


def pod_from_template(template: Value, owner: Value, resource: Resource, name: str = "", suffix: str = "") -> Value:
    """A Pod to create, controlled by `owner`; named `name`, or the owner's name with `suffix`."""
    metadata = template.get("metadata") or {}
    made: Value = {
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [owner_reference(resource, owner)],
    }
    for field in ("labels", "annotations", "finalizers"):
        if metadata.get(field):
            made[field] = clone(metadata[field])
    if name:
        made["name"] = name
    else:
        prefix = f"{owner['metadata']['name']}-"
        made["generateName"] = prefix
        made["name"] = f"{prefix[:NAME_BASE_MAX]}{suffix}"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": clone(template.get("spec") or {})}
