"""An archive as a plain tar, whatever it is compressed with, as layers are kept.

Source: moby pkg/archive, DecompressStream: the first bytes say what it is.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from maru.core.errors import Invalid, Unavailable
from maru.linux.files import reason_of

COPY_BYTES = 1 << 20


def plain_tar_blocking(archive: Path, target: Path) -> None:
    """Write `target`; `archive` stays. Raises Invalid (no tar), Unavailable (a full disk)."""
    with archive.open("rb") as stream:
        start = stream.read(6)
    opened = next((opens for magic, opens in _KINDS.items() if start.startswith(magic)), None)
    try:
        if opened is None:
            shutil.copyfile(archive, target)
        else:
            with opened(archive) as source, target.open("wb") as plain:
                shutil.copyfileobj(source, plain, COPY_BYTES)
        with tarfile.open(target, "r:") as tar:
            for _ in tar:
                continue
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, lzma.LZMAError, ValueError) as error:
        words = "unexpected EOF" if archive.stat().st_size < tarfile.BLOCKSIZE else "archive/tar: invalid tar header"
        raise Invalid(what=f"Error processing tar file(exit status 1): {words}", why="", fix="", status=500) from error
    except OSError as error:
        if error.errno is None:  # what bz2 says of bad data
            raise Invalid(what=f"Error processing tar file: {error}", why="", fix="", status=500) from error
        raise Unavailable(what=f"write {target.name}: {reason_of(error)}", why="", fix="", status=500) from error


def _zstandard(path: Path) -> IO[bytes]:
    import zstandard  # here, since archives of this kind are rare

    return cast("IO[bytes]", zstandard.open(path, "rb"))  # its own type is one of several


def _gzip(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb"))  # typed as a union by its mode


_KINDS: dict[bytes, Callable[[Path], IO[bytes]]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _zstandard,
}
