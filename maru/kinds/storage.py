"""Volumes, claims, storage classes and the documents of storage drivers: defaults and rules.

Source: k8s.io/kubernetes/pkg/apis/core/validation (ValidatePersistentVolume, ValidatePersistentVolumeClaimUpdate);
pkg/apis/storage (v1/defaults.go, validation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.kinds.columns import cluster as columns
from maru.kinds.columns.core import PERSISTENTVOLUME_COLUMNS, PERSISTENTVOLUMECLAIM_COLUMNS
from maru.kinds.rules.claims import VOLUME_MODES, check_access_modes, check_claim_spec, check_positive_amount
from maru.kinds.rules.pod_warnings import warn_claim
from maru.kinds.rules.pods.resources import amount
from maru.kinds.rules.pods.scheduling import check_node_selector
from maru.kinds.rules.pods.volumes import check_source
from maru.kinds.rules.text import (
    check,
    duplicate,
    forbidden,
    immutable,
    invalid,
    is_dns_subdomain,
    is_qualified_name,
    required,
    unsupported,
)
from maru.kinds.shown import Shown
from maru.kinds.strategy import Cause, Strategy

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
GROUP_POLICIES = ("ReadWriteOnceWithFSType", "File", "None")
LIFECYCLE_MODES = ("Ephemeral", "Persistent")
PARAMETERS_MAX = 512
_NO_SOURCES = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)
"""Fields of a volume's specification that are no source."""
_CLAIM_WORDS = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


class PersistentVolumeStrategy(Strategy):
    """Volumes of the cluster."""

    columns = PERSISTENTVOLUME_COLUMNS
    has_generation = False

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
        spec.setdefault("volumeMode", "Filesystem")
        if spec.get("hostPath") is not None:
            spec["hostPath"].setdefault("type", "")

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"phase": "Pending"}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = check_access_modes(spec.get("accessModes") or [], "spec.accessModes", "")
        capacity = spec.get("capacity") or {}
        if not capacity:
            causes.append(required("spec.capacity"))
        elif "storage" not in capacity or len(capacity) > 1:
            causes.append(unsupported("spec.capacity", capacity, ("storage",)))
        for name, text in capacity.items():
            causes += check_positive_amount(text, f"spec.capacity[{name}]")
        policy = spec["persistentVolumeReclaimPolicy"]
        if policy not in RECLAIM_POLICIES:
            causes.append(unsupported("spec.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES))
        causes += _check_node_affinity(spec)
        causes += _check_sources(spec)
        if (spec.get("hostPath") or {}).get("path") == "/" and policy == "Recycle":
            causes.append(
                forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'")
            )
        for name in ("storageClassName", "volumeAttributesClassName"):
            if spec.get(name):
                causes += check(is_dns_subdomain, f"spec.{name}", spec[name])
        if spec["volumeMode"] not in VOLUME_MODES:
            causes.append(unsupported("spec.volumeMode", spec["volumeMode"], VOLUME_MODES))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if subresource:
            return ()
        causes: list[Cause] = []
        spec, before = value["spec"], old["spec"]
        now, then = (
            {name: source for name, source in one.items() if name not in _NO_SOURCES} for one in (spec, before)
        )
        if now != then:
            why = "spec.persistentvolumesource is immutable after creation"
            causes.append(forbidden("spec.persistentvolumesource", why))
        if spec.get("volumeMode") != before.get("volumeMode"):
            causes.append(immutable("spec.volumeMode", spec.get("volumeMode")))
        if before.get("nodeAffinity") is not None and spec.get("nodeAffinity") != before["nodeAffinity"]:
            causes.append(immutable("spec.nodeAffinity", spec.get("nodeAffinity")))
        return causes

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        spec = value["spec"]
        storage = (spec.get("capacity") or {}).get("storage")
        texts = []
        if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
            texts.append(
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the "
                "recommended approach is to use dynamic provisioning."
            )
        if storage is not None and amount(storage).nano % 10**9:
            texts.append(f'spec.capacity[storage]: fractional byte value "{storage}" is invalid, must be an integer')
        return texts


class PersistentVolumeClaimStrategy(Strategy):
    """Claims: what is asked for never changes, but its size may grow."""

    columns = PERSISTENTVOLUMECLAIM_COLUMNS
    has_generation = False

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        spec.setdefault("volumeMode", "Filesystem")
        source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
        if source is not None and reference is None:
            spec["dataSourceRef"] = dict(source)
        elif reference is not None and source is None and not reference.get("namespace"):
            spec["dataSource"] = dict(reference)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"phase": "Pending"}

    def validate(self, value: Value) -> Sequence[Cause]:
        return check_claim_spec(value["spec"], "spec")

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if subresource:
            return ()
        now, before = _fixed_claim(value["spec"]), _fixed_claim(old["spec"])
        for name in ("volumeName", "storageClassName"):
            if before.get(name) is None and (name == "volumeName" or not old["spec"].get("volumeName")):
                now.pop(name, None)  # what was left open may be filled in
                before.pop(name, None)
        causes = [] if now == before else [forbidden("spec", _CLAIM_WORDS)]
        had, has = (_asked(one["spec"]) for one in (old, value))
        is_bound = (old.get("status") or {}).get("phase") == "Bound"
        if has != had and not is_bound and not causes:
            causes.append(forbidden("spec", _CLAIM_WORDS))
        elif has < had:
            kept = ((old.get("status") or {}).get("capacity") or {}).get("storage")
            if kept is None or has <= amount(kept).nano:
                why = "field can not be less than status.capacity"
                causes.append(forbidden("spec.resources.requests.storage", why))
        return causes

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        return list(warn_claim(value["spec"], "spec"))


class StorageClassStrategy(Shown):
    """StorageClasses never change but for their labels, mount options and expansion."""

    def __init__(self) -> None:
        super().__init__(columns.STORAGECLASS_COLUMNS, has_status=False)

    def default(self, value: Value) -> None:
        value["reclaimPolicy"] = value.get("reclaimPolicy") or "Delete"
        value["volumeBindingMode"] = value.get("volumeBindingMode") or "Immediate"

    def validate(self, value: Value) -> Sequence[Cause]:
        provisioner = value.get("provisioner") or ""
        causes = (
            check(is_qualified_name, "provisioner", provisioner.lower()) if provisioner else [required("provisioner")]
        )
        parameters = value.get("parameters") or {}
        if len(parameters) > PARAMETERS_MAX:
            why = f"Too long: may not be more than {PARAMETERS_MAX} bytes"
            causes.append(Cause("parameters", "FieldValueTooLong", why))
        if "" in parameters:
            causes.append(invalid("parameters", "", "field can not be empty."))
        if value["reclaimPolicy"] not in ("Delete", "Retain"):
            causes.append(unsupported("reclaimPolicy", value["reclaimPolicy"], ("Delete", "Retain")))
        if value["volumeBindingMode"] not in BINDING_MODES:
            causes.append(unsupported("volumeBindingMode", value["volumeBindingMode"], BINDING_MODES))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        causes: list[Cause] = []
        if (value.get("parameters") or {}) != (old.get("parameters") or {}):
            causes.append(forbidden("parameters", "updates to parameters are forbidden."))
        if value.get("provisioner") != old.get("provisioner"):
            causes.append(forbidden("provisioner", "updates to provisioner are forbidden."))
        if value.get("reclaimPolicy") != old.get("reclaimPolicy"):
            causes.append(forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."))
        if value.get("volumeBindingMode") != old.get("volumeBindingMode"):
            causes.append(immutable("volumeBindingMode", value.get("volumeBindingMode")))
        return causes


class CsiDriverStrategy(Shown):
    """CSIDrivers."""

    def __init__(self) -> None:
        super().__init__(columns.CSIDRIVER_COLUMNS, has_status=False)

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        for name, usual in (
            ("attachRequired", True),
            ("podInfoOnMount", False),
            ("storageCapacity", False),
            ("fsGroupPolicy", "ReadWriteOnceWithFSType"),
            ("requiresRepublish", False),
            ("seLinuxMount", False),
        ):
            if spec.get(name) is None:
                spec[name] = usual
        spec["volumeLifecycleModes"] = spec.get("volumeLifecycleModes") or ["Persistent"]

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        if spec["fsGroupPolicy"] not in GROUP_POLICIES:
            causes.append(unsupported("spec.fsGroupPolicy", spec["fsGroupPolicy"], GROUP_POLICIES))
        audiences: set[str] = set()
        for index, request in enumerate(spec.get("tokenRequests") or []):
            audience, seconds = request.get("audience") or "", request.get("expirationSeconds")
            if audience in audiences:
                causes.append(duplicate(f"spec.tokenRequests[{index}].audience", audience))
            audiences.add(audience)
            if seconds is not None and seconds < 600:
                at = f"spec.tokenRequests[{index}].expirationSeconds"
                causes.append(invalid(at, seconds, "may not specify a duration less than 10 minutes"))
        return causes + [
            unsupported("spec.volumeLifecycleModes", mode, LIFECYCLE_MODES)
            for mode in spec["volumeLifecycleModes"]
            if mode not in LIFECYCLE_MODES
        ]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        fixed = ("volumeLifecycleModes",)
        now, before = value["spec"], old.get("spec") or {}
        return [immutable(f"spec.{name}", now.get(name)) for name in fixed if now.get(name) != before.get(name)]


class CsiNodeStrategy(Shown):
    """CSINodes: what a driver said of a node stays."""

    def __init__(self) -> None:
        super().__init__(columns.CSINODE_COLUMNS, has_status=False)

    def validate(self, value: Value) -> Sequence[Cause]:
        causes: list[Cause] = []
        names: set[str] = set()
        for index, driver in enumerate((value.get("spec") or {}).get("drivers") or []):
            at, name = f"spec.drivers[{index}]", driver.get("name") or ""
            causes += check(is_dns_subdomain, f"{at}.name", name.lower()) if name else [required(f"{at}.name")]
            if name in names:
                causes.append(duplicate(f"{at}.name", name))
            names.add(name)
            if not driver.get("nodeID"):
                causes.append(required(f"{at}.nodeID"))
            count = (driver.get("allocatable") or {}).get("count")
            if count is not None and count < 0:
                causes.append(invalid(f"{at}.allocatable.count", count, "must be greater than or equal to 0"))
        return causes


class VolumeAttachmentStrategy(Shown):
    """VolumeAttachments: what is attached where never changes."""

    def __init__(self) -> None:
        super().__init__(columns.VOLUMEATTACHMENT_COLUMNS)

    def default(self, value: Value) -> None:
        value["spec"] = value.get("spec") or {}

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"attached": False}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        attacher, node = spec.get("attacher") or "", spec.get("nodeName") or ""
        causes = check(is_dns_subdomain, "spec.attacher", attacher.lower()) if attacher else [required("spec.attacher")]
        source = spec.get("source") or {}
        inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
        if inline is None and not name:
            why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
            causes.append(required("spec.source", why))
        elif inline is not None and name:
            why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
            causes.append(forbidden("spec.source", why))
        return causes + check(is_dns_subdomain, "spec.nodeName", node)

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if subresource or value["spec"] == old["spec"]:
            return ()
        return [immutable("spec", value["spec"])]


class VolumeAttributesClassStrategy(Shown):
    """VolumeAttributesClasses never change."""

    def __init__(self) -> None:
        super().__init__(columns.VOLUMEATTRIBUTESCLASS_COLUMNS, has_status=False)

    def validate(self, value: Value) -> Sequence[Cause]:
        causes = [] if value.get("driverName") else [required("driverName")]
        if not value.get("parameters"):
            causes.append(required("parameters", "must contain at least one key/value pair"))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        return [
            immutable(name, value.get(name))
            for name in ("driverName", "parameters")
            if value.get(name) != old.get(name)
        ]


class CapacityStrategy(Shown):
    """CSIStorageCapacities: which class and which nodes they speak of never changes."""

    def __init__(self) -> None:
        super().__init__(columns.CSISTORAGECAPACITY_COLUMNS, has_status=False)

    def validate(self, value: Value) -> Sequence[Cause]:
        causes = check(is_dns_subdomain, "storageClassName", value.get("storageClassName") or "")
        for name in ("capacity", "maximumVolumeSize"):
            if value.get(name) is not None and amount(value[name]).nano < 0:
                causes.append(invalid(name, value[name], "must be greater than or equal to 0"))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        fixed = ("nodeTopology", "storageClassName")
        return [immutable(name, value.get(name)) for name in fixed if value.get(name) != old.get(name)]


def _check_node_affinity(spec: Value) -> list[Cause]:
    affinity = spec.get("nodeAffinity")
    if affinity is None:
        return [required("spec.nodeAffinity", "Local volume requires node affinity")] if spec.get("local") else []
    wanted = affinity.get("required")
    if wanted is None:
        return [required("spec.nodeAffinity.required", "must specify required node constraints")]
    return check_node_selector(wanted, "spec.nodeAffinity.required")


def _check_sources(spec: Value) -> list[Cause]:
    sources = [name for name in spec if name not in _NO_SOURCES and spec[name] is not None]
    if not sources:
        return [required("spec", "must specify a volume type")]
    first, *more = sources
    causes = check_source(first, spec[first], f"spec.{first}", is_pod=True)
    if first == "local" and not spec[first].get("path"):
        causes.append(required("spec.local.path"))
    if first == "csi" and not spec[first].get("volumeHandle"):
        causes.append(required("spec.csi.volumeHandle"))
    return causes + [forbidden(f"spec.{name}", "may not specify more than 1 volume type") for name in more]


def _fixed_claim(spec: Value) -> Value:
    resources = dict(spec.get("resources") or {})
    resources["requests"] = {
        name: text for name, text in (resources.get("requests") or {}).items() if name != "storage"
    }
    return {**spec, "resources": resources, "volumeAttributesClassName": None}


def _asked(spec: Mapping[str, Value]) -> int:
    return amount(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")).nano
