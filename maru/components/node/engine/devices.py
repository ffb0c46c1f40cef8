"""The machine's device nodes, for containers that are privileged.

Source: containerd, oci.HostDevices: all of /dev but terminals, shared memory and message queues.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from maru.components.node.model.oci_spec import Device

_SKIPPED = ("pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev")
_MADE_BY_RUNTIME = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")


def host_devices_blocking() -> Sequence[Device]:
    """Character and block devices under /dev, ascending by path."""
    found = []
    for place, folders, files in os.walk("/dev"):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            path = Path(place, name)
            if name in _SKIPPED or (place == "/dev" and name in _MADE_BY_RUNTIME):
                continue
            device = _device(path)
            if device is not None:
                found.append(device)
    return found


def _device(path: Path) -> Device | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    if not kind:
        return None
    numbers = os.major(status.st_rdev), os.minor(status.st_rdev)
    return Device(str(path), kind, *numbers, status.st_mode & 0o7777, status.st_uid, status.st_gid)
