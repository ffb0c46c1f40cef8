"""Files put into an image's root: folders made on the way, owners and modes as asked.

Folders of the target are found as a process in the image would find them; below them nothing is
followed, what stands in the way is replaced. Source: docs.docker.com/reference/dockerfile, "COPY".
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

from maru.components.docker.engine.builds.context import Found, real_path_blocking


@dataclass(frozen=True, slots=True)
class Owner:
    """mode: of files and folders alike, None for their own. is_kept: files stay whose they are."""

    uid: int = 0
    gid: int = 0
    mode: int | None = None
    is_kept: bool = False

    def of(self, status: os.stat_result) -> tuple[int, int]:
        """User and group of a copy."""
        return (status.st_uid, status.st_gid) if self.is_kept else (self.uid, self.gid)


def copy_blocking(found: Found, root: str, target: str, owner: Owner) -> None:
    """One source to `target` (absolute; a closing slash means into that folder). Raises OSError."""
    if found.is_folder:
        folder = folder_blocking(root, target, owner)
        _copy_folder(found.path, folder, owner)
        return
    if target.endswith("/") or _is_folder(root, target):
        target = f"{target.rstrip('/')}/{found.name}"
    parent, _, name = target.rpartition("/")
    _copy_entry(found.path, f"{folder_blocking(root, parent or '/', owner)}/{name}", owner)


def folder_blocking(root: str, path: str, owner: Owner) -> str:
    """Make a folder and those above it; where it is on the host. Raises OSError."""
    real = real_path_blocking(root, "/")
    done = ""
    for part in path.strip("/").split("/"):
        if not part:
            continue
        done = f"{done}/{part}"
        try:
            real = real_path_blocking(root, done)
        except FileNotFoundError:
            real = f"{real}/{part}"
            Path(real).mkdir(0o755)
            os.chown(real, owner.uid, owner.gid)
    if not stat.S_ISDIR(os.lstat(real).st_mode):
        raise NotADirectoryError(20, "not a directory", path)
    return real


def is_archive_blocking(path: str) -> bool:
    """Whether ADD unpacks it: a tar, plain or compressed by gzip, bzip2 or xz."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) and tarfile.is_tarfile(path)
    except (OSError, EOFError):
        return False


def _is_folder(root: str, path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(real_path_blocking(root, path)).st_mode)
    except OSError:
        return False


def _copy_folder(source: str, target: str, owner: Owner) -> None:
    for entry in sorted(os.scandir(source), key=lambda each: each.name):
        inner = f"{target}/{entry.name}"
        if not entry.is_dir(follow_symlinks=False):
            _copy_entry(entry.path, inner, owner)
            continue
        if os.path.lexists(inner) and not stat.S_ISDIR(os.lstat(inner).st_mode):
            Path(inner).unlink()
        if not os.path.lexists(inner):
            Path(inner).mkdir(0o755)
        _copy_folder(entry.path, inner, owner)
        _settle(inner, entry.stat(follow_symlinks=False), owner)


def _copy_entry(source: str, target: str, owner: Owner) -> None:
    status = os.lstat(source)
    if os.path.lexists(target):
        if stat.S_ISDIR(os.lstat(target).st_mode):
            shutil.rmtree(target)
        else:
            Path(target).unlink()
    if stat.S_ISLNK(status.st_mode):
        Path(target).symlink_to(Path(source).readlink())
        os.chown(target, *owner.of(status), follow_symlinks=False)
        return
    if not stat.S_ISREG(status.st_mode):
        os.mknod(target, status.st_mode, status.st_rdev)
    else:
        shutil.copyfile(source, target, follow_symlinks=False)
    _settle(target, status, owner)


def _settle(target: str, status: os.stat_result, owner: Owner) -> None:
    os.chown(target, *owner.of(status))
    Path(target).chmod(stat.S_IMODE(status.st_mode) if owner.mode is None else owner.mode)
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
