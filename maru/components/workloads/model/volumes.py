"""Which volume a claim gets, and what both say about it.

Source: k8s.io/kubernetes/pkg/controller/volume/persistentvolume, pv_controller.go and volume_match.go;
Kubernetes documentation, "Persistent Volumes".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maru.components.workloads.model.values import annotations_of, clone, labels_of, object_reference, place_of, uid_of
from maru.core.document import Value
from maru.kinds.label_selector import from_selector
from maru.kinds.quantity import parse
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES

PROVISIONER = "maru.dev/hostpath"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
DEFAULT_CLASS = "standard"
IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
BOUND_BY_US = "pv.kubernetes.io/bound-by-controller"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
HOST_NAME = "kubernetes.io/hostname"


def class_of(value: Value) -> str:
    """The storage class of a claim or volume, empty for none."""
    return str(value["spec"].get("storageClassName") or "")


def is_bound(claim: Value) -> bool:
    """True once binding is complete on the claim's side."""
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in annotations_of(claim)


def is_claimed_by(volume: Value, claim: Value) -> bool:
    """True when the volume is this claim's, or kept for one of its name."""
    reference = volume["spec"].get("claimRef")
    if reference is None:
        return False
    same = (reference.get("namespace"), reference.get("name")) == place_of(claim)
    return same and reference.get("uid") in (None, "", uid_of(claim))


def choose(claim: Value, volumes: Iterable[Value]) -> Value | None:
    """The volume kept for the claim, or else the smallest free one that will do."""
    fitting = [volume for volume in volumes if fits(claim, volume)]
    kept = [volume for volume in fitting if volume["spec"].get("claimRef") is not None]
    if kept:
        return kept[0]
    return min(fitting, key=lambda volume: (_capacity(volume), volume["metadata"]["name"]), default=None)


def fits(claim: Value, volume: Value) -> bool:
    """True when the volume may be given to the claim."""
    have, want = volume["spec"], claim["spec"]
    if volume["metadata"].get("deletionTimestamp") or class_of(claim) != class_of(volume):
        return False
    if want.get("volumeName") not in (None, "", volume["metadata"]["name"]):
        return False
    if have.get("claimRef") is not None and not is_claimed_by(volume, claim):
        return False
    if (have.get("volumeMode") or "Filesystem") != (want.get("volumeMode") or "Filesystem"):
        return False
    selector = want.get("selector")
    if selector is not None and not from_selector(selector).matches(labels_of(volume)):
        return False
    modes = set(want.get("accessModes") or ())
    return modes <= set(have.get("accessModes") or ()) and _capacity(volume) >= requested(claim)


def _capacity(volume: Value) -> int:
    return parse((volume["spec"].get("capacity") or {}).get("storage", "0")).nano


def requested(claim: Value) -> int:
    """The storage a claim asks for, in nano bytes."""
    return parse(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0")).nano


def volume_for_claim(volume: Value, claim: Value) -> Value | None:
    """The volume with the claim's reference, or None when it has it."""
    reference = volume["spec"].get("claimRef")
    if reference is not None and reference.get("uid") == uid_of(claim):
        return None
    fresh = clone(volume)
    if reference is None:
        fresh["metadata"].setdefault("annotations", {})[BOUND_BY_US] = "yes"
    fresh["spec"]["claimRef"] = object_reference(claim, PERSISTENTVOLUMECLAIMS)
    return fresh


def claim_for_volume(claim: Value, volume: Value) -> Value | None:
    """The claim with the volume's name, or None when it has it."""
    if is_bound(claim):
        return None
    fresh = clone(claim)
    annotations = fresh["metadata"].setdefault("annotations", {})
    if not claim["spec"].get("volumeName"):
        annotations[BOUND_BY_US] = "yes"
    annotations[BIND_COMPLETED] = "yes"
    fresh["spec"]["volumeName"] = volume["metadata"]["name"]
    return fresh


def bound_claim_status(claim: Value, volume: Value) -> Value:
    """What a bound claim says of itself."""
    return {
        **claim.get("status", {}),
        "phase": "Bound",
        "accessModes": list(volume["spec"].get("accessModes") or ()),
        "capacity": dict(volume["spec"].get("capacity") or {}),
    }


def volume_phase(volume: Value, claim: Value | None) -> str:
    """Available, Bound or Released. claim: the one its reference names, if it is there."""
    reference = volume["spec"].get("claimRef")
    if reference is None or not reference.get("uid"):
        return "Available"
    return "Bound" if claim is not None and uid_of(claim) == reference["uid"] else "Released"


def provisioned(claim: Value, storage_class: Value, path: str, node: str) -> Value:
    """A new volume for the claim: a folder of `node`."""
    name = f"pvc-{uid_of(claim)}"
    spec: Value = {
        "accessModes": list(claim["spec"].get("accessModes") or ()),
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        "claimRef": object_reference(claim, PERSISTENTVOLUMECLAIMS),
        "hostPath": {"path": f"{path}/{name}", "type": "DirectoryOrCreate"},
        "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
        "storageClassName": storage_class["metadata"]["name"],
        "volumeMode": "Filesystem",
    }
    term = {"matchExpressions": [{"key": HOST_NAME, "operator": "In", "values": [node]}]}
    spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    return {
        "apiVersion": "v1",
        "kind": PERSISTENTVOLUMES.kind,
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": spec,
    }


def node_of(volume: Value) -> str:
    """The one node that a provisioned volume is on, or empty."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for each in term.get("matchExpressions") or ():
            if each["key"] == HOST_NAME and each.get("values"):
                return str(each["values"][0])
    return ""


def default_class() -> Value:
    """The storage class that every platform starts with."""
    annotations: Mapping[str, str] = {IS_DEFAULT: "true"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": DEFAULT_CLASS, "annotations": dict(annotations)},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
