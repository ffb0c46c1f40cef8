"""What COPY and ADD find: paths inside a folder whose links lead nowhere outside, and their digest.

A digest stands for names, kinds, modes, targets of links and content; times and owners are no part of it.
Source: docs.docker.com/reference/dockerfile, "COPY"; docs.docker.com/build/cache.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maru.linux.rooted import open_in_root_blocking
from maru.wire.dockerfile.ignore import fits, has_pattern

ENTRIES_MAX = 1_000_000  # of one context


@dataclass(frozen=True, slots=True)
class Found:
    """name: as the target is called when it goes into a folder; path: on the host, links resolved.

    is_remote: it was fetched, and stays as it is though it be an archive.
    """

    name: str
    path: str
    digest: str
    is_folder: bool
    is_remote: bool = False


class NoSuchSource(Exception):
    """Its text is the path."""


def find_blocking(root: str, source: str) -> list[Found]:
    """What a source means, in the order of names. Raises NoSuchSource, OSError."""
    clean = "/".join(part for part in os.path.normpath(f"/{source}").split("/") if part)
    if not has_pattern(clean):
        return [_found(root, clean)]
    return [_found(root, path) for path in _fitting(root, clean.split("/"))]


def combined(found: Sequence[Found]) -> str:
    """As the history names them: file:..., dir:... or multi:..."""
    if len(found) == 1:
        return f"{'dir' if found[0].is_folder else 'file'}:{found[0].digest}"
    text = "".join(f"{each.name}\0{each.is_folder}\0{each.digest}\0" for each in found)
    return f"multi:{hashlib.sha256(text.encode()).hexdigest()}"


def real_path_blocking(root: str, path: str) -> str:
    """Where a path inside `root` is on the host. Raises OSError."""
    descriptor = open_in_root_blocking(root, path or ".", os.O_PATH)
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    finally:
        os.close(descriptor)


def _fitting(root: str, patterns: Sequence[str]) -> list[str]:
    paths = [""]
    for pattern in patterns:
        following: list[str] = []
        for path in paths:
            try:
                names = sorted(os.listdir(real_path_blocking(root, path)))  # noqa: PTH208 - names are wanted
            except OSError:
                continue
            following += [f"{path}/{name}".lstrip("/") for name in names if fits(name, pattern)]
        paths = following
    return paths


def _found(root: str, path: str) -> Found:
    try:
        real = real_path_blocking(root, path)
    except OSError as error:
        raise NoSuchSource(path) from error
    status = os.lstat(real)
    is_folder = stat.S_ISDIR(status.st_mode)
    digest = hashlib.sha256()
    if is_folder:
        _add_folder(digest, real, "", [0])
    else:
        _add_entry(digest, real, "", status)
    return Found(path.rpartition("/")[2], real, digest.hexdigest(), is_folder)


def _add_folder(digest: hashlib._Hash, folder: str, inner: str, count: list[int]) -> None:
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        count[0] += 1
        if count[0] > ENTRIES_MAX:
            raise OSError(f"over {ENTRIES_MAX} files")
        name = f"{inner}{entry.name}"
        status = entry.stat(follow_symlinks=False)
        _add_entry(digest, entry.path, name, status)
        if stat.S_ISDIR(status.st_mode):
            _add_folder(digest, entry.path, f"{name}/", count)


def _add_entry(digest: hashlib._Hash, path: str, name: str, status: os.stat_result) -> None:
    digest.update(os.fsencode(f"{name}\0{status.st_mode:o}\0"))
    if stat.S_ISLNK(status.st_mode):
        digest.update(os.fsencode(Path(path).readlink()))
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:  # noqa: PTH123 - paths are text here
            digest.update(hashlib.file_digest(file, "sha256").digest())
    digest.update(b"\0")
