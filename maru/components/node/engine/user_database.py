"""Users and groups as an image has them, read from its layers before the container exists.

The topmost layer that has the file counts; a whiteout hides those below. No link is followed, so that
an image cannot make the node read a file of its own. Source: OCI image specification, "Whiteouts".
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from maru.components.node.model.security import UserDatabase

_BYTES_MAX = 1 << 20


def read_user_database_blocking(layers: Sequence[str]) -> UserDatabase:
    """From layer folders, lowest first; empty when the image has none."""
    return UserDatabase(_lines(layers, "passwd"), _lines(layers, "group"))


def _lines(layers: Sequence[str], name: str) -> Sequence[str]:
    for layer in reversed(layers):
        folder = Path(layer, "etc")
        if folder.is_symlink():
            return ()
        try:
            mode = (folder / name).lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISREG(mode):
            # A character device 0:0 is overlayfs's whiteout; links and others are not read.
            return ()
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_BYTES_MAX).decode("utf-8", "replace").splitlines()
    return ()
