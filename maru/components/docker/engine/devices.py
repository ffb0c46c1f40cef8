"""Device nodes of the machine, for containers that ask for some or are privileged.

Source: moby daemon/oci_utils.go, opencontainers/runc libcontainer/devices.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from maru.components.docker.model.oci_spec import Device
from maru.core.document import Value
from maru.core.errors import Invalid

_SKIPPED = frozenset({"pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev"})
_MADE_BY_RUNTIME = frozenset({"null", "zero", "full", "random", "urandom", "tty", "ptmx"})


def every_device_blocking() -> Sequence[Device]:
    """Character and block devices under /dev, ascending by path, without terminals."""
    found = []
    for place, folders, files in os.walk("/dev"):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            if name in _SKIPPED or (place == "/dev" and name in _MADE_BY_RUNTIME):
                continue
            device = _device(Path(place, name), str(Path(place, name)), "rwm")
            if device is not None:
                found.append(device)
    return found


def asked_devices_blocking(entries: Sequence[Value]) -> Sequence[Device]:
    """Those of HostConfig.Devices; a folder stands for all in it. Raises Invalid in dockerd's words."""
    found = []
    for entry in entries:
        source = Path(entry.get("PathOnHost") or "")
        target = entry.get("PathInContainer") or str(source)
        access = entry.get("CgroupPermissions") or "rwm"
        if not set(access) <= set("rwm"):
            raise Invalid(what=f"invalid device mode: {access}", why="")
        real = source.resolve()
        if real.is_dir():
            inside = (_device(path, f"{target}/{path.relative_to(real)}", access) for path in sorted(real.rglob("*")))
            found += [device for device in inside if device is not None]
            continue
        device = _device(real, target, access)
        if device is None:
            why = "not a device node" if real.exists() else "no such file or directory"
            words = f'error gathering device information while adding custom device "{source}": {why}'
            raise Invalid(what=words, why="", status=500)
        found.append(device)
    return found


def numbers_blocking(path: str) -> tuple[int, int] | None:
    """Major and minor of a block device; None when it is none."""
    device = _device(Path(path), path, "")
    return (device.major, device.minor) if device is not None else None


def _device(path: Path, target: str, access: str) -> Device | None:
    try:
        status = path.stat()
    except OSError:
        return None
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    if not kind:
        return None
    numbers = os.major(status.st_rdev), os.minor(status.st_rdev)
    return Device(target, kind, *numbers, status.st_mode & 0o7777, status.st_uid, status.st_gid, access)
