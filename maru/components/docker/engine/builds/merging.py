"""Several layers made one: what is to be seen of them, and what they take away from those below.

The layers are folders as overlayfs reads them, and so is what is made of them; files are links, so nothing is copied.
Source: Documentation/filesystems/overlayfs.rst; moby daemon/images/image_squash.go.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from maru.components.docker.engine.changes import OPAQUE, is_opaque, is_whiteout


def merge_blocking(layers: Sequence[str], below: Sequence[str], target: Path) -> None:
    """Fill the new folder `target`. layers: lowest first, on the same file system; below: those they stand on.

    Nothing is taken away that is not below: where a folder has nothing under it, overlayfs shows what takes away.
    """
    target.mkdir(parents=True)
    for layer in layers:
        _lay(Path(layer), target)
    _settle(target, "", below)


def _lay(layer: Path, target: Path) -> None:
    """Put one folder of a layer over what the layers below it made of that folder."""
    for entry in os.scandir(layer):
        place = target / entry.name
        if not entry.is_dir(follow_symlinks=False):
            _clear(place)
            os.link(entry.path, place, follow_symlinks=False)
            continue
        hides = is_opaque(entry.path) or (os.path.lexists(place) and is_whiteout(place.lstat()))
        if hides or not place.is_dir() or place.is_symlink():
            _clear(place)
            place.mkdir()
        _lay(Path(entry.path), place)
        status = entry.stat(follow_symlinks=False)
        was_hiding = is_opaque(str(place))
        os.chown(place, status.st_uid, status.st_gid)
        shutil.copystat(entry.path, place)
        if hides or was_hiding:
            os.setxattr(place, OPAQUE, b"y")


def _settle(folder: Path, inner: str, below: Sequence[str]) -> None:
    for entry in os.scandir(folder):
        path = f"{inner}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            _settle(Path(entry.path), path, () if is_opaque(entry.path) else below)
            continue
        is_needed = any(os.path.lexists(f"{layer}{path}") for layer in below)
        if not is_needed and is_whiteout(entry.stat(follow_symlinks=False)):
            Path(entry.path).unlink()


def _clear(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
