"""Files of a volume that change all at once: readers see the old set or the new one.

The files live in a folder named by time; `..data` is a link to it that is replaced by rename, and
the visible names are links through `..data`. Source: pkg/volume/util, AtomicWriter.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from maru.components.node.model.payload import File, Payload

_DATA = "..data"
_DATA_NEXT = "..data_tmp"


def write_blocking(folder: Path, payload: Payload, now: datetime, group: int | None) -> bool:
    """Make `folder` hold exactly `payload`; False when it did already. group: owner of the files, or None.

    Raises PermissionError for a path that leaves the folder.
    """
    for path in payload:
        parts = Path(path).parts
        if not parts or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
            raise PermissionError(f"invalid path {path!r} in a volume")
    if _holds(folder, payload):
        return False
    fresh = Path(tempfile.mkdtemp(prefix=now.strftime("..%Y_%m_%d_%H_%M_%S."), dir=folder))
    fresh.chmod(0o755)
    for path, file in payload.items():
        _write(fresh / path, file)
    if group is not None:
        give_group_blocking(fresh, group, is_readonly=True)
    before = folder / _DATA
    stale = folder / os.readlink(before) if before.is_symlink() else None  # noqa: PTH115
    following = folder / _DATA_NEXT
    following.unlink(missing_ok=True)
    following.symlink_to(fresh.name)
    following.rename(before)
    _show(folder, payload)
    if stale is not None:
        shutil.rmtree(stale, ignore_errors=True)
    return True


def give_group_blocking(root: Path, group: int, *, is_readonly: bool = False) -> None:
    """Make the group own all under `root`, as fsGroup asks. Source: pkg/volume, SetVolumeOwnership."""
    file_bits, folder_bits = (0o440, 0o550) if is_readonly else (0o660, 0o770)
    for place, folders, files in os.walk(root):
        here = Path(place)
        os.chown(here, -1, group)
        here.chmod((here.stat().st_mode & 0o7777) | folder_bits | 0o2000)
        for name in (*files, *folders):
            path = here / name
            if path.is_symlink():
                os.lchown(path, -1, group)
            elif name in files:
                os.chown(path, -1, group)
                path.chmod((path.stat().st_mode & 0o7777) | file_bits)


def _holds(folder: Path, payload: Payload) -> bool:
    now = folder / _DATA
    if not now.is_symlink():
        return False
    have = {str(path.relative_to(now)) for path in now.rglob("*") if path.is_file()}
    if have != {str(Path(path)) for path in payload}:
        return False
    return all((now / path).read_bytes() == file.content for path, file in payload.items())


def _write(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(file.mode)


def _show(folder: Path, payload: Payload) -> None:
    """One link per first part of a path; links that lead nowhere go."""
    wanted = {Path(path).parts[0] for path in payload}
    for name in wanted:
        with suppress(FileExistsError):
            (folder / name).symlink_to(f"{_DATA}/{name}")
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
