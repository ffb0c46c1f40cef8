"""Volumes on the node's disk: made before the first container, gone with the Pod.

Source: Kubernetes documentation, "Volumes"; pkg/volume/emptydir, pkg/volume/hostpath (types),
pkg/volume/util/subpath (paths that may not leave their volume).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maru.components.node.engine.atomic_writer import give_group_blocking, write_blocking
from maru.components.node.engine.pod_folder import PodFolder
from maru.components.node.errors import MountFailed
from maru.components.node.model.payload import Payload
from maru.core.document import Value
from maru.kinds.quantity import parse
from maru.linux.bind_mounts import (
    bind_blocking,
    is_mount_blocking,
    mount_tmpfs_blocking,
    open_beneath_blocking,
)
from maru.linux.mounts import Overlay, mount_overlay_blocking, unmount_blocking

SHM_BYTES = 64 << 20

_KINDS = {"configMap": "configmap", "secret": "secret", "downwardAPI": "downward-api", "projected": "projected"}


@dataclass(frozen=True, slots=True)
class Place:
    """A volume that is set up. claim: hostPath-like source of a bound PersistentVolume, if it is one."""

    path: Path
    is_readonly: bool = False


def set_up_blocking(folder: PodFolder, pod: Value, volume: Value, payload: Payload | None, now: datetime) -> Place:
    """Make one volume ready; idempotent. payload: the files of a written volume. Raises MountFailed."""
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    try:
        if payload is not None:
            return _written(folder, volume, payload, now, group)
        if volume.get("emptyDir") is not None:
            return _empty_dir(folder, volume, group)
        if volume.get("hostPath") is not None:
            return _host_path(volume["name"], volume["hostPath"])
    except OSError as error:
        raise MountFailed(volume["name"], str(error)) from error
    kinds = ", ".join(sorted(set(volume) - {"name"})) or "an unknown kind"
    raise MountFailed(volume["name"], f"volumes of kind {kinds} are not supported by this node")


def _written(folder: PodFolder, volume: Value, payload: Payload, now: datetime, group: int | None) -> Place:
    plugin = next(name for kind, name in _KINDS.items() if volume.get(kind) is not None)
    path = folder.volume(volume["name"], plugin)
    path.mkdir(parents=True, exist_ok=True)
    if plugin in ("secret", "projected") and not is_mount_blocking(str(path)):
        # Secrets stay out of the disk.
        mount_tmpfs_blocking(str(path), mode=0o777)
    path.chmod(0o777)
    write_blocking(path, payload, now, group)
    return Place(path)


def _empty_dir(folder: PodFolder, volume: Value, group: int | None) -> Place:
    source = volume["emptyDir"]
    medium = source.get("medium") or ""
    path = folder.volume(volume["name"], "empty-dir")
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    if medium == "Memory":
        if not is_mount_blocking(str(path)):
            is_new = True
            limit = parse(source["sizeLimit"]).whole if source.get("sizeLimit") else 0
            mount_tmpfs_blocking(str(path), size_bytes=limit, mode=0o777)
    elif medium:
        raise MountFailed(volume["name"], f"unknown storage medium {medium!r}: only Memory is supported by this node")
    if is_new:
        path.chmod(0o777)
        if group is not None:
            give_group_blocking(path, group)
    return Place(path)


def _host_path(name: str, source: Value) -> Place:
    path = Path(source["path"])
    kind = source.get("type") or ""
    if kind == "DirectoryOrCreate" and not path.exists():
        path.mkdir(parents=True, mode=0o755)
    if kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    checks = {
        "Directory": (stat.S_ISDIR, "a directory"),
        "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
        "File": (stat.S_ISREG, "a file"),
        "FileOrCreate": (stat.S_ISREG, "a file"),
        "Socket": (stat.S_ISSOCK, "a socket file"),
        "CharDevice": (stat.S_ISCHR, "a character device"),
        "BlockDevice": (stat.S_ISBLK, "a block device"),
    }
    if kind in checks:
        is_kind, words = checks[kind]
        if not path.exists() or not is_kind(path.stat().st_mode):
            raise MountFailed(name, f"hostPath type check failed: {path} is not {words}")
    elif not path.exists():
        # Without a type the container runtime makes the folder, as it does on a real node.
        path.mkdir(parents=True, mode=0o755)
    return Place(path)


def image_volume_blocking(folder: PodFolder, name: str, layers: Sequence[str]) -> Place:
    """An image's files as a read-only volume; idempotent. Raises MountFailed."""
    path, aside = folder.volume(name, "image"), folder.volume(name, "image-work")
    try:
        for place in (path, aside / "upper", aside / "work"):
            place.mkdir(parents=True, exist_ok=True)
        if not is_mount_blocking(str(path)):
            overlay = Overlay(layers, str(aside / "upper"), str(aside / "work"), volatile=True)
            mount_overlay_blocking(overlay, str(path))
    except (OSError, ValueError) as error:
        raise MountFailed(name, str(error)) from error
    return Place(path, is_readonly=True)


def sub_path_blocking(folder: PodFolder, place: Place, inner: str, container: str, number: int) -> Path:
    """Bind `inner` of a volume to a path that cannot be led astray any more, and answer that path.

    Raises PermissionError when it leaves the volume.
    """
    target = folder.state / "subpaths" / container / str(number)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        unmount_blocking(str(target))
    descriptor = open_beneath_blocking(str(place.path), inner, make=not place.is_readonly)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            target.mkdir(exist_ok=True)
        else:
            target.touch()
        bind_blocking(f"/proc/self/fd/{descriptor}", str(target))
    finally:
        os.close(descriptor)
    return target


def shared_memory_blocking(folder: PodFolder) -> Path:
    """The shared memory of a Pod: its containers share it as they share the IPC namespace."""
    path = folder.state / "shm"
    path.mkdir(parents=True, exist_ok=True)
    if not is_mount_blocking(str(path)):
        mount_tmpfs_blocking(str(path), size_bytes=SHM_BYTES, mode=0o1777)
    return path
