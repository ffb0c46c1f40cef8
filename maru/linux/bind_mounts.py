"""Mounts that a node makes for Pods: binds, memory file systems, and paths that stay beneath a root.

Source: mount(2), tmpfs(5), openat2(2) (RESOLVE_BENEATH, whose rules are kept here step by step, since
folders may have to be made on the way).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from maru.linux.mounts import BIND, NO_DEVICES, NO_SUID, RECURSIVE, mount_blocking, mount_points

_LINKS_MAX = 40


def bind_blocking(source: str, target: str) -> None:
    """Show `source` also at `target` (same type: file on file, folder on folder). Raises OSError."""
    mount_blocking(source, target, "none", BIND | RECURSIVE)


def mount_tmpfs_blocking(target: str, *, size_bytes: int = 0, mode: int = 0o777) -> None:
    """A file system in memory at `target`; size_bytes 0 leaves half of the memory as the bound."""
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    mount_blocking("tmpfs", target, "tmpfs", NO_SUID | NO_DEVICES, options)


def mounts_under_blocking(folder: str) -> Sequence[str]:
    """Mount points at or below `folder`, deepest first."""
    return sorted(mount_points(folder), key=len, reverse=True)


def is_mount_blocking(path: str) -> bool:
    """True when something is mounted at `path`."""
    return path in mount_points(path)


def open_beneath_blocking(root: str, inner: str, *, make: bool) -> int:
    """A descriptor (O_PATH) of `inner` below `root`, whose links lead out of `root` in no way.

    make: missing folders are made, with the mode of `root` as the kubelet does. Raises PermissionError when the
    path leaves the root, FileNotFoundError when it is missing. The caller closes the descriptor.
    """
    stack = [os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    parts = [part for part in inner.split("/") if part not in ("", ".")]
    links = 0
    mode = stat.S_IMODE(os.fstat(stack[0]).st_mode) if make else None
    try:
        while parts:
            part = parts.pop(0)
            if part == "..":
                if len(stack) == 1:
                    raise PermissionError(f"path {inner!r} leads out of its volume")
                os.close(stack.pop())
                continue
            here = _step(stack[-1], part, mode)
            if not stat.S_ISLNK(os.fstat(here).st_mode):
                stack.append(here)
                continue
            links += 1
            target = os.readlink("", dir_fd=here)
            os.close(here)
            if target.startswith("/") or links > _LINKS_MAX:
                raise PermissionError(f"path {inner!r} leads out of its volume")
            parts = [piece for piece in target.split("/") if piece not in ("", ".")] + parts
        return stack.pop()
    finally:
        for descriptor in stack:
            os.close(descriptor)


def _step(parent: int, part: str, mode: int | None) -> int:
    """mode: of the folder that is made where there is none; None makes none."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(part, flags, dir_fd=parent)
    except FileNotFoundError:
        if mode is None:
            raise
        os.mkdir(part, 0o700, dir_fd=parent)
        made = os.open(part, flags, dir_fd=parent)
        Path(f"/proc/self/fd/{made}").chmod(mode)  # the umask takes nothing away; O_PATH knows no fchmod
        return made
