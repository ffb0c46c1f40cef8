"""What a container has changed in its file system, and those changes as the layer of an image.

The writable layer of an overlay: what is there was added or changed, a character device 0:0 or a
`trusted.overlay.whiteout` takes away, an opaque folder hides what was below.
Source: Documentation/filesystems/overlayfs.rst; OCI image specification 1.1, layer.md "Whiteouts".
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Sequence
from pathlib import Path

from maru.core.document import Value

_MOUNTED = frozenset({"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/sbin/docker-init", "/.dockerenv"})
_TOUCHED = frozenset({"/etc", "/sbin", "/dev", "/proc", "/sys"})
OPAQUE = "trusted.overlay.opaque"
MODIFIED, ADDED, DELETED = 0, 1, 2


def changes_blocking(root: str, layers: Sequence[str]) -> list[Value]:
    """`docker diff`: ascending by path, with the folders above what changed. layers: lowest first."""
    upper = Path(root).parent / "upper"
    found: dict[str, int] = {}
    _walk(upper, "", layers, found)
    return [{"Path": path, "Kind": kind} for path, kind in sorted(found.items())]


def layer_blocking(root: str, target: str) -> None:
    """Write the changes as a tar with OCI whiteouts."""
    upper = Path(root).parent / "upper"
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        _pack(tar, upper, "")


def is_whiteout(status: os.stat_result) -> bool:
    """Whether it takes away what is below."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: str) -> bool:
    """Whether a folder hides what is below it."""
    try:
        return os.getxattr(path, OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _walk(folder: Path, inner: str, layers: Sequence[str], found: dict[str, int]) -> None:
    for entry in os.scandir(folder):
        path = f"{inner}/{entry.name}"
        status = entry.stat(follow_symlinks=False)
        if is_whiteout(status):
            found[path] = DELETED
            continue
        if _is_mount_point(path, status):
            continue
        was_there = any(os.path.lexists(f"{layer}{path}") for layer in layers)
        is_folder = entry.is_dir(follow_symlinks=False)
        before = dict(found)
        if is_folder:
            _walk(Path(entry.path), path, layers, found)
        # The mount points that the runtime makes in some folders touch them.
        is_same = path in _TOUCHED or not _is_changed(status, path, layers)
        if was_there and is_folder and found == before and is_same:
            continue
        found[path] = MODIFIED if was_there else ADDED


def _is_changed(status: os.stat_result, path: str, layers: Sequence[str]) -> bool:
    for layer in reversed(layers):
        try:
            below = os.lstat(f"{layer}{path}")
        except OSError:
            continue
        mine = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
        return mine != (below.st_mode, below.st_uid, below.st_gid, below.st_mtime_ns)
    return True


def _pack(tar: tarfile.TarFile, folder: Path, inner: str) -> None:
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        name = f"{inner}{entry.name}"
        status = entry.stat(follow_symlinks=False)
        if is_whiteout(status):
            tar.addfile(tarfile.TarInfo(f"{inner}.wh.{entry.name}"))
            continue
        if stat.S_ISSOCK(status.st_mode) or _is_mount_point(f"/{name}", status):
            continue
        tar.add(entry.path, arcname=name, recursive=False, filter=_plain)
        if entry.is_dir(follow_symlinks=False):
            if is_opaque(entry.path):
                tar.addfile(tarfile.TarInfo(f"{name}/.wh..wh..opq"))
            _pack(tar, Path(entry.path), f"{name}/")


def _is_mount_point(path: str, status: os.stat_result) -> bool:
    """An empty file that stands where one of ours is mounted: no change of the container's."""
    return path in _MOUNTED and stat.S_ISREG(status.st_mode) and status.st_size == 0


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uname = member.gname = ""
    return member
