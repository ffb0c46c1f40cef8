"""Secrets and configs of a task as files in memory, from where its container binds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maru.linux.bind_mounts import is_mount_blocking, mount_tmpfs_blocking


@dataclass(frozen=True, slots=True)
class TaskFile:
    """target: in the container, absolute. mode: permission bits."""

    target: str
    content: bytes
    uid: int
    gid: int
    mode: int


def write_files_blocking(folder: Path, files: Sequence[TaskFile]) -> list[str]:
    """The path of each, in order; `folder` becomes a file system in memory. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    if not is_mount_blocking(str(folder)):
        mount_tmpfs_blocking(str(folder), mode=0o700)
    paths = []
    for number, file in enumerate(files):
        path = folder / str(number)
        path.unlink(missing_ok=True)
        file_number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.write(file_number, file.content)
            os.fchown(file_number, file.uid, file.gid)
            os.fchmod(file_number, file.mode)
        finally:
            os.close(file_number)
        paths.append(str(path))
    return paths
