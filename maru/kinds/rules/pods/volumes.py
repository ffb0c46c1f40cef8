"""Rules of a Pod's volumes, of what projects into them, and of PersistentVolume sources that are alike.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateVolumes and the rules of each source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from maru.core.document import Value
from maru.kinds.rules.claims import check_claim_spec
from maru.kinds.rules.network import check_local_path, check_no_steps_back
from maru.kinds.rules.pods.environment import check_field_reference, check_resource_reference
from maru.kinds.rules.pods.resources import amount
from maru.kinds.rules.text import (
    check,
    check_labels,
    duplicate,
    forbidden,
    invalid,
    is_config_key,
    is_dns_label,
    is_dns_subdomain,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause

MODE_MAX = 0o777
MODE_WORDS = "must be a number between 0 and 0777 (octal), both inclusive"
HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
TOKEN_S_MIN = 10 * 60
TOKEN_S_MAX = 1 << 32
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
FILE_PATHS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cinder": ("volumeID",),
    "csi": ("driver",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "nfs": ("server", "path"),
    "persistentVolumeClaim": ("claimName",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "rbd": ("monitors", "image"),
    "cephfs": ("monitors",),
    "scaleIO": ("gateway", "system", "volumeName"),
    "secret": ("secretName",),
    "configMap": ("name",),
    "vsphereVolume": ("volumePath",),
    "image": ("reference",),
}
"""Fields that a source cannot be without."""


def check_volumes(volumes: Sequence[Value], field: str, *, is_pod: bool = False) -> list[Cause]:
    """Names, and exactly one source each."""
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        name, at = volume.get("name") or "", f"{field}[{index}]"
        sources = [source for source in volume if source != "name" and volume[source] is not None]
        if not sources:
            causes.append(required(at, "must specify a volume type"))
        else:
            causes += check_source(sources[0], volume[sources[0]], f"{at}.{sources[0]}", is_pod=is_pod)
        causes += [forbidden(f"{at}.{source}", "may not specify more than 1 volume type") for source in sources[1:]]
        if not name:
            causes.append(required(f"{at}.name"))
        else:
            causes += check(is_dns_label, f"{at}.name", name)
            if name in seen:
                causes.append(duplicate(f"{at}.name", name))
        seen.add(name)
    return causes


def check_source(kind: str, source: Value, field: str, *, is_pod: bool = False) -> list[Cause]:
    """One source of any kind."""
    wanted = _REQUIRED.get(kind, ())
    if kind == "image" and not is_pod:
        wanted = ()  # a template may leave it to whoever makes the Pods
    causes = [required(f"{field}.{name}") for name in wanted if not source.get(name)]
    rule = _SOURCES.get(kind)
    return causes + rule(source, field) if rule is not None else causes


def check_host_path(source: Value, field: str) -> list[Cause]:
    """A path of the node."""
    path = source.get("path") or ""
    causes = check_no_steps_back(path, f"{field}.path") if path else [required(f"{field}.path")]
    kind = source.get("type") or ""
    return causes if kind in HOST_PATH_TYPES else [*causes, unsupported(f"{field}.type", kind, HOST_PATH_TYPES)]


def check_nfs(source: Value, field: str) -> list[Cause]:
    """An absolute path on a server."""
    path = source.get("path") or ""
    return [] if not path or path.startswith("/") else [invalid(f"{field}.path", path, "must be an absolute path")]


def _check_empty_dir(source: Value, field: str) -> list[Cause]:
    if amount(source.get("sizeLimit") or "0").nano < 0:
        return [forbidden(f"{field}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _check_mode(mode: object, field: str) -> list[Cause]:
    return [invalid(field, mode, MODE_WORDS)] if isinstance(mode, int) and not 0 <= mode <= MODE_MAX else []


def _check_items(items: Sequence[Value], field: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, item in enumerate(items):
        at, path = f"{field}[{index}]", item.get("path") or ""
        if not item.get("key"):
            causes.append(required(f"{at}.key"))
        elif field.endswith("items"):
            causes += check(is_config_key, f"{at}.key", item["key"])
        causes += check_local_path(path, f"{at}.path") if path else [required(f"{at}.path")]
        if path.startswith(".."):
            causes.append(invalid(f"{at}.path", path, "must not start with '..'"))
        causes += _check_mode(item.get("mode"), f"{at}.mode")
    return causes


def _check_keys(source: Value, field: str) -> list[Cause]:
    causes = _check_mode(source.get("defaultMode"), f"{field}.defaultMode")
    return causes + _check_items(source.get("items") or [], f"{field}.items")


def _check_downward(source: Value, field: str) -> list[Cause]:
    causes = _check_mode(source.get("defaultMode"), f"{field}.defaultMode")
    for item in source.get("items") or []:
        path = item.get("path") or ""
        causes += check_local_path(path, f"{field}.path") if path else [required(f"{field}.path")]
        about, resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if about is not None:
            causes += check_field_reference(about, f"{field}.fieldRef", FILE_PATHS)
            if resource is not None:
                causes.append(invalid(field, "resource", "fieldRef and resourceFieldRef can not be specified together"))
        elif resource is not None:
            causes += check_resource_reference(resource, f"{field}.resourceFieldRef", is_volume=True)
        else:
            causes.append(required(f"{field}.fieldRef", "one of fieldRef and resourceFieldRef is required"))
        causes += _check_mode(item.get("mode"), f"{field}.mode")
    return causes


def _check_projected(source: Value, field: str) -> list[Cause]:
    causes = _check_mode(source.get("defaultMode"), f"{field}.defaultMode")
    paths: set[str] = set()
    for index, projection in enumerate(source.get("sources") or []):
        at = f"{field}.sources[{index}]"
        given = [kind for kind in _PROJECTIONS if projection.get(kind) is not None]
        if not given:
            causes.append(required(at, "must specify a volume projection type"))
        for number, kind in enumerate(given):
            if number:
                causes.append(forbidden(f"{at}.{kind}", "may not specify more than 1 volume type per source"))
                continue
            one = projection[kind]
            causes += _PROJECTIONS[kind](one, f"{at}.{kind}")
            for item in [one] if kind in ("serviceAccountToken", "clusterTrustBundle") else one.get("items") or []:
                path = item.get("path") or ""
                if path and path in paths:
                    why = f"conflicting duplicate paths: {path}"
                    causes.append(invalid(f"{field}.sources", path, why))
                paths.add(path)
    return causes


def _check_named_keys(source: Value, field: str) -> list[Cause]:
    causes = [] if source.get("name") else [required(f"{field}.name")]
    return causes + _check_items(source.get("items") or [], f"{field}.items")


def _check_token(source: Value, field: str) -> list[Cause]:
    seconds, path = source.get("expirationSeconds"), source.get("path") or ""
    causes: list[Cause] = []
    if isinstance(seconds, int) and seconds < TOKEN_S_MIN:
        why = "may not specify a duration less than 10 minutes"
        causes.append(invalid(f"{field}.expirationSeconds", seconds, why))
    elif isinstance(seconds, int) and seconds > TOKEN_S_MAX:
        causes.append(
            invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
        )
    return causes + (check_local_path(path, f"{field}.path") if path else [required(f"{field}.path")])


def _check_trust_bundle(source: Value, field: str) -> list[Cause]:
    by_name, by_signer = source.get("name") is not None, source.get("signerName") is not None
    causes: list[Cause] = []
    if by_name and by_signer:
        causes.append(invalid(field, source, "only one of name and signerName may be used"))
    elif not by_name and not by_signer:
        causes.append(required(field, "either name or signerName must be specified"))
    path = source.get("path") or ""
    return causes + (check_local_path(path, f"{field}.path") if path else [required(f"{field}.path")])


def _check_certificate(source: Value, field: str) -> list[Cause]:
    return [required(f"{field}.{name}") for name in ("signerName", "keyType") if not source.get(name)]


def _check_ephemeral(source: Value, field: str) -> list[Cause]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(f"{field}.volumeClaimTemplate")]
    at = f"{field}.volumeClaimTemplate"
    metadata = template.get("metadata") or {}
    causes = check_labels(metadata.get("labels"), f"{at}.metadata.labels")
    return causes + check_claim_spec(template.get("spec") or {}, f"{at}.spec")


def _check_driver(source: Value, field: str) -> list[Cause]:
    driver = source.get("driver") or ""
    return check(is_dns_subdomain, f"{field}.driver", driver.lower()) if driver else []


def _check_image(source: Value, field: str) -> list[Cause]:
    policy = source.get("pullPolicy")
    return [] if policy in (None, *PULL_POLICIES) else [unsupported(f"{field}.pullPolicy", policy, PULL_POLICIES)]


_SOURCES: Mapping[str, Callable[[Value, str], list[Cause]]] = {
    "emptyDir": _check_empty_dir,
    "hostPath": check_host_path,
    "nfs": check_nfs,
    "secret": _check_keys,
    "configMap": _check_keys,
    "downwardAPI": _check_downward,
    "projected": _check_projected,
    "ephemeral": _check_ephemeral,
    "csi": _check_driver,
    "image": _check_image,
}
_PROJECTIONS: Mapping[str, Callable[[Value, str], list[Cause]]] = {
    "secret": _check_named_keys,
    "configMap": _check_named_keys,
    "downwardAPI": _check_downward,
    "serviceAccountToken": _check_token,
    "clusterTrustBundle": _check_trust_bundle,
    "podCertificate": _check_certificate,
}
