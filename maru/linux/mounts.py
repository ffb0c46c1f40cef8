"""Mounting and unmounting, overlays above all.

The options of mount(2) must fit one page, so an overlay of many layers names them by descriptor
(/proc/self/fd/9) rather than by path; that also frees paths from having to avoid `:` and `,`.
Source: mount(2), umount2(2), Linux Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

READ_ONLY = 0x1
NO_SUID = 0x2
NO_DEVICES = 0x4
NO_EXEC = 0x8
BIND = 0x1000
RECURSIVE = 0x4000
PRIVATE = 1 << 18
SLAVE = 1 << 19
SHARED = 1 << 20

_OCTAL = re.compile(r"\\([0-7]{3})")  # how mountinfo writes blanks and backslashes
_DETACH = 0x2
_NO_FOLLOW = 0x8
_OPTIONS_BYTES_MAX = 4000  # of a page of 4096, with room for what the kernel adds
OVERLAY_LAYERS_MAX = 500  # OVL_MAX_STACK


@dataclass(frozen=True, slots=True)
class Overlay:
    """layers: read-only folders, lowest first (1..500); upper, work: on one file system.

    volatile: never synced to disk, for content that need not survive the machine.
    """

    layers: Sequence[str]
    upper: str
    work: str
    volatile: bool = False


def mount_blocking(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        os.fsencode(options) if options else None,
    )
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def mount_overlay_blocking(overlay: Overlay, target: str) -> None:
    """Stack the layers at `target`. Raises OSError, ValueError for too many layers."""
    if not 1 <= len(overlay.layers) <= OVERLAY_LAYERS_MAX:
        raise ValueError(f"an overlay takes 1 to {OVERLAY_LAYERS_MAX} layers, not {len(overlay.layers)}")
    folders = [*reversed(overlay.layers), overlay.upper, overlay.work]
    descriptors = [os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for folder in folders]
    try:
        names = folders
        if any(mark in folder for folder in folders for mark in ":,\\") or _length(folders) > _OPTIONS_BYTES_MAX:
            names = [f"/proc/self/fd/{descriptor}" for descriptor in descriptors]
        *lower, upper, work = names
        options = f"lowerdir={':'.join(lower)},upperdir={upper},workdir={work}"
        if overlay.volatile:
            options += ",volatile"
        mount_blocking("overlay", target, "overlay", 0, options)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def unmount_blocking(target: str) -> bool:
    """Take the topmost mount off `target`, at once even if it is busy; False if nothing is mounted there."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(target), _NO_FOLLOW) == 0:
        return True
    if libc.umount2(os.fsencode(target), _DETACH | _NO_FOLLOW) == 0:
        return True
    number = ctypes.get_errno()
    if number in (22, 2):  # EINVAL: no mount point; ENOENT
        return False
    raise OSError(number, os.strerror(number), target)


def mount_points(under: str) -> Sequence[str]:
    """Mount points at or beneath the folder `under`, in the order they were mounted."""
    prefix = under.rstrip("/") + "/"
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = _OCTAL.sub(lambda found: chr(int(found.group(1), 8)), line.split(" ", 5)[4])
        if point == under or point.startswith(prefix):
            points.append(point)
    return points


def _length(folders: Sequence[str]) -> int:
    return sum(len(os.fsencode(folder)) + 1 for folder in folders) + 40
