"""Volumes on disk: folders, what is mounted on them, and what an image has at their place.

Source: moby volume/local/local_unix.go; Docker's documentation, "Populate a volume using a container".
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from maru.core.errors import Invalid
from maru.linux.files import reason_of
from maru.linux.mounts import unmount_blocking
from maru.linux.rooted import open_in_root_blocking


def make_blocking(mountpoint: str) -> None:
    """The folder of a volume."""
    Path(mountpoint).mkdir(parents=True, exist_ok=True, mode=0o755)


def remove_blocking(mountpoint: str) -> None:
    """The folder and all in it; what is mounted there is taken off first."""
    while unmount_blocking(mountpoint):
        continue
    shutil.rmtree(Path(mountpoint).parent, ignore_errors=True)


def is_mounted_blocking(mountpoint: str) -> bool:
    """Whether something is mounted there."""
    return os.path.ismount(mountpoint)


def mark_blocking(root: str) -> None:
    """The empty file by which programs tell that they are in a container of Docker's."""
    with suppress(OSError):
        Path(root, ".dockerenv").touch(0o755)


def copy_up_blocking(root: str, target: str, mountpoint: str) -> None:
    """Fill an empty volume with what stands at `target` in the container's root; owner and mode too."""
    try:
        descriptor = open_in_root_blocking(root, target, os.O_PATH)
    except OSError:
        return
    try:
        source = Path(f"/proc/self/fd/{descriptor}")
        status = os.fstat(descriptor)
        if not stat.S_ISDIR(status.st_mode) or any(Path(mountpoint).iterdir()):
            return
        try:
            _copy_tree(source.readlink(), Path(mountpoint))
        except OSError:
            _empty(Path(mountpoint))  # half of it would count as what somebody put there
            raise
        os.chown(mountpoint, status.st_uid, status.st_gid)
        Path(mountpoint).chmod(stat.S_IMODE(status.st_mode))
    finally:
        os.close(descriptor)


def bind_source_blocking(source: str, *, make: bool) -> None:
    """See that a bind's source is there. make: as `-v` does. Raises Invalid in dockerd's words."""
    if os.path.lexists(source):
        return
    if not make:
        raise Invalid(what=f'invalid mount config for type "bind": bind source path does not exist: {source}', why="")
    try:
        Path(source).mkdir(parents=True, mode=0o755)
    except OSError as error:
        words = f"error while creating mount source path '{source}': mkdir {source}: {reason_of(error)}"
        raise Invalid(what=words, why="", status=500) from error


def size_blocking(mountpoint: str) -> int:
    """Bytes in use beneath it, hard links once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for folder, folders, files in os.walk(mountpoint):
        for name in (*files, *(each for each in folders if Path(folder, each).is_symlink())):
            status = Path(folder, name).lstat()
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_size
    return total


def _empty(folder: Path) -> None:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()


def _copy_tree(source: Path, target: Path) -> None:
    for entry in os.scandir(source):
        status = entry.stat(follow_symlinks=False)
        place = target / entry.name
        if entry.is_symlink():
            place.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir(follow_symlinks=False):
            place.mkdir()
            _copy_tree(Path(entry.path), place)
        elif stat.S_ISREG(status.st_mode):
            shutil.copyfile(entry.path, place, follow_symlinks=False)
        else:
            os.mknod(place, status.st_mode, status.st_rdev)
        os.chown(place, status.st_uid, status.st_gid, follow_symlinks=False)
        if not entry.is_symlink():
            place.chmod(stat.S_IMODE(status.st_mode))
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
