"""How much of the disk lies under a folder. Source: du(1): allocated blocks, every file once, one file system."""

from __future__ import annotations

import os
from pathlib import Path

_BLOCK_BYTES = 512


def tree_bytes_blocking(root: Path) -> int:
    """Bytes allocated under `root`; 0 when it is not there. What vanishes meanwhile counts as nothing."""
    try:
        device = root.lstat().st_dev
    except OSError:
        return 0
    total, linked = 0, set()
    waiting = [str(root)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if status.st_dev != device or status.st_ino in linked:
                continue
            if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                linked.add(status.st_ino)
            total += status.st_blocks * _BLOCK_BYTES
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
    return total
