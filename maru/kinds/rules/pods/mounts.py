"""Rules of what a container mounts: files and block devices.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateVolumeMounts, ValidateVolumeDevices.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.core.document import Value
from maru.kinds.rules.network import check_local_path
from maru.kinds.rules.text import forbidden, invalid, not_found, required, unsupported
from maru.kinds.strategy import Cause

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
READ_ONLY_MODES = ("Disabled", "Enabled", "IfPossible")


def check_mounts(container: Value, volumes: Mapping[str, Value], field: str) -> list[Cause]:
    """volumeMounts of a container. volumes: of its Pod, by name."""
    causes: list[Cause] = []
    devices = container.get("volumeDevices") or []
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        at, name, path = f"{field}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            causes.append(required(f"{at}.name"))
        if name not in volumes:
            causes.append(not_found(f"{at}.name", name))
        if not path:
            causes.append(required(f"{at}.mountPath"))
        if path in paths:
            causes.append(invalid(f"{at}.mountPath", path, "must be unique"))
        paths.add(path)
        if any(device.get("name") == name for device in devices):
            causes.append(invalid(f"{at}.name", name, "must not already exist in volumeDevices"))
        if any(device.get("devicePath") == path for device in devices):
            causes.append(invalid(f"{at}.mountPath", path, "must not already exist as a path in volumeDevices"))
        causes += _check_below(mount, field)
        causes += _check_propagation(mount, container, f"{field}.mountPropagation")
        causes += _check_read_only(mount, f"{field}.recursiveReadOnly")
    return causes


def check_devices(container: Value, volumes: Mapping[str, Value], field: str) -> list[Cause]:
    """volumeDevices of a container."""
    causes: list[Cause] = []
    mounts = container.get("volumeMounts") or []
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or []):
        at, name, path = f"{field}[{index}]", device.get("name") or "", device.get("devicePath") or ""
        if not name:
            causes.append(required(f"{at}.name"))
        if name in names:
            causes.append(invalid(f"{at}.name", name, "must be unique"))
        volume = volumes.get(name)
        if volume is None:
            causes.append(not_found(f"{at}.name", name))
        elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            causes.append(invalid(f"{at}.name", name, why))
        if not path:
            causes.append(required(f"{at}.devicePath"))
        if path in paths:
            causes.append(invalid(f"{at}.devicePath", path, "must be unique"))
        if ".." in path.split("/"):
            causes.append(invalid(f"{at}.devicePath", path, "can not contain backsteps ('..')"))
        else:
            paths.add(path)
        if any(mount.get("name") == name for mount in mounts):
            causes.append(invalid(f"{at}.name", name, "must not already exist in volumeMounts"))
        names.add(name)
    return causes


def _check_below(mount: Value, field: str) -> list[Cause]:
    below, expression = mount.get("subPath") or "", mount.get("subPathExpr") or ""
    causes = check_local_path(below, f"{field}.subPath") if below else []
    if expression:
        if below:
            why = "subPathExpr and subPath are mutually exclusive"
            causes.append(invalid(f"{field}.subPathExpr", expression, why))
        causes += check_local_path(expression, f"{field}.subPathExpr")
    return causes


def _check_propagation(mount: Value, container: Value, field: str) -> list[Cause]:
    propagation = mount.get("mountPropagation")
    if propagation is None:
        return []
    if propagation not in PROPAGATIONS:
        return [unsupported(field, propagation, PROPAGATIONS)]
    if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        return [forbidden(field, "Bidirectional mount propagation is available only to privileged containers")]
    return []


def _check_read_only(mount: Value, field: str) -> list[Cause]:
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == "Disabled":
        return []
    if mode not in READ_ONLY_MODES:
        return [unsupported(field, mode, READ_ONLY_MODES)]
    causes: list[Cause] = []
    if not mount.get("readOnly"):
        causes.append(forbidden(field, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in (None, "None"):
        causes.append(forbidden(field, "may only be specified when mountPropagation is None or not specified"))
    return causes
