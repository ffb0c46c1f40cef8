# Plain os calls on strings, one per entry: the hot path of every pull.
# ruff: noqa: PTH101, PTH102, PTH108, PTH112, PTH114, PTH118, PTH119, PTH120, PTH123, PTH211
"""One layer archive into one folder: run as a program of its own, confined to that folder by chroot.

Nothing an archive names (.., absolute paths, symlinks that lead out) can reach beyond the folder, since
the kernel knows no beyond. Whiteouts become overlayfs form: a character device 0:0 for a deleted name,
an attribute for a folder whose lower content is hidden. It imports nothing of Maru, so it starts fast.
Arguments: archive, folder, expected digest of the uncompressed stream, most bytes to write.
Source: OCI image specification 1.1, layer.md; Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import stat
import sys
import tarfile
from typing import IO, Protocol

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
OPAQUE_ATTRIBUTE = "trusted.overlay.opaque"
COPY_BYTES = 1 << 20
ENTRIES_MAX = 5_000_000
_ATTRIBUTE = "SCHILY.xattr."
_GZIP = b"\x1f\x8b"
_ENTRY_ERRORS = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
_ZSTD = b"\x28\xb5\x2f\xfd"


class Refused(Exception):
    """The archive breaks a rule; its text is for people."""


class Readable(Protocol):
    """Something to read bytes from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Counted:
    """A stream that hashes all that is read through it."""

    def __init__(self, stream: Readable, algorithm: str) -> None:
        self._stream = stream
        self.hash = hashlib.new(algorithm)

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self.hash.update(chunk)
        return chunk

    def drain(self) -> None:
        """What follows the archive's end belongs to the digest too."""
        while self.read(COPY_BYTES):
            pass


class Layer:
    """Writes entries under / (the process is confined). written: file bytes so far."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries = 0
        self._made: set[str] = set()
        self._times: dict[str, tuple[float, float]] = {}

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Write one entry. Raises Refused, OSError."""
        self._entries += 1
        if self._entries > ENTRIES_MAX:
            raise Refused(f"more than {ENTRIES_MAX} entries")
        path = os.path.normpath("/" + member.name).replace("//", "/")
        parent, name = os.path.split(path)
        self._ensure_folder(parent)
        if name.startswith(WHITEOUT):
            self._white_out(parent, name)
            return
        replaces = self._clear(path, member)
        if member.isdir():
            self._add_folder(path, replaces)
        elif member.isreg():
            self._add_file(tar, member, path)
        elif member.issym():
            os.symlink(member.linkname, path)
        elif member.islnk():
            os.link(os.path.normpath("/" + member.linkname), path, follow_symlinks=False)
            self._made.add(path)
            return
        elif member.ischr() or member.isblk():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            os.mknod(path, kind | 0o600, os.makedev(member.devmajor, member.devminor))
        elif member.isfifo():
            os.mkfifo(path)
        else:
            raise Refused(f"{member.name}: entry type {member.type!r} is not supported")
        self._made.add(path)
        self._dress(path, member)

    def finish(self) -> None:
        """Folders get their times once nothing is written into them any more."""
        for path, times in reversed(self._times.items()):
            if os.path.isdir(path) and not os.path.islink(path):
                os.utime(path, times)

    def _ensure_folder(self, path: str) -> None:
        # Through links within the root, as a lower layer's `/var/run -> /run` demands.
        if os.path.isdir(path):
            return
        self._ensure_folder(os.path.dirname(path))
        if os.path.lexists(path):
            if _is_whiteout(path) or not os.path.islink(path):
                os.unlink(path)
            else:
                raise Refused(f"{path}: its link leads to no folder")
        os.mkdir(path, 0o755)

    def _white_out(self, parent: str, name: str) -> None:
        if name == OPAQUE:
            os.setxattr(parent, OPAQUE_ATTRIBUTE, b"y")
            return
        hidden = os.path.join(parent, name.removeprefix(WHITEOUT))
        if os.path.basename(hidden) in ("", ".", ".."):
            raise Refused(f"{name}: not a whiteout")
        if hidden in self._made:
            if os.path.isdir(hidden) and not os.path.islink(hidden):
                os.setxattr(hidden, OPAQUE_ATTRIBUTE, b"y")
            return
        if not os.path.lexists(hidden):
            os.mknod(hidden, stat.S_IFCHR | 0o000, os.makedev(0, 0))

    def _clear(self, path: str, member: tarfile.TarInfo) -> bool:
        """Make room for an entry. True when a whiteout stood there."""
        if path == "/" or not os.path.lexists(path):
            return False
        whiteout = _is_whiteout(path)
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        if is_folder and member.isdir():
            return False
        if is_folder:
            shutil.rmtree(path)
        else:
            os.unlink(path)
        return whiteout

    def _add_folder(self, path: str, replaces: bool) -> None:
        if not os.path.isdir(path) or os.path.islink(path):
            os.mkdir(path, 0o755)
        if replaces:
            os.setxattr(path, OPAQUE_ATTRIBUTE, b"y")

    def _add_file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        self._bytes += member.size
        if self._bytes > self._bytes_max:
            raise Refused(f"more than {self._bytes_max} bytes unpacked")
        source = tar.extractfile(member)
        assert source is not None
        is_sparse = member.issparse()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as target:
            while chunk := source.read(COPY_BYTES):
                if is_sparse and chunk.count(0) == len(chunk):
                    target.seek(len(chunk), os.SEEK_CUR)
                else:
                    target.write(chunk)
            target.truncate()

    def _dress(self, path: str, member: tarfile.TarInfo) -> None:
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
        if not member.issym():
            os.chmod(path, stat.S_IMODE(member.mode))
        for key, value in member.pax_headers.items():
            name = key.removeprefix(_ATTRIBUTE)
            if name == key or name.startswith("trusted.overlay."):
                continue
            _set_attribute(path, name, value.encode("utf-8", "surrogateescape"))
        stamp = max(0.0, float(member.mtime))
        if member.isdir():
            self._times[path] = (stamp, stamp)
        else:
            os.utime(path, (stamp, stamp), follow_symlinks=False)


def unpack(archive: IO[bytes], folder: str, expected: str, bytes_max: int) -> None:
    """Confine this process to `folder` and write the archive there. Raises Refused, OSError."""
    algorithm = expected.partition(":")[0]
    stream = Counted(_decompress(archive), algorithm)
    os.umask(0)
    os.chroot(folder)
    os.chdir("/")
    layer = Layer(bytes_max)
    try:
        # Every member is written by `Layer`; tarfile only reads.
        with tarfile.open(fileobj=stream, mode="r|", bufsize=COPY_BYTES) as tar:  # type: ignore[call-overload]
            for member in tar:
                layer.add(tar, member)
                tar.members = []  # a million entries need not be remembered
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise Refused(f"malformed archive: {error}") from error
    except OSError as error:
        if error.errno in _ENTRY_ERRORS:
            raise Refused(f"an entry cannot be written: {error}") from error
        raise
    stream.drain()
    layer.finish()
    found = f"{algorithm}:{stream.hash.hexdigest()}"
    if found != expected:
        raise Refused(f"its uncompressed digest is {found}, not {expected}")


def _decompress(archive: IO[bytes]) -> Readable:
    magic = archive.read(4)
    archive.seek(0)
    if magic.startswith(_GZIP):
        return gzip.GzipFile(fileobj=archive)
    if magic == _ZSTD:
        import zstandard  # only layers that need it pay for it

        reader: Readable = zstandard.ZstdDecompressor().stream_reader(archive, read_across_frames=True)
        return reader
    return archive


def _is_whiteout(path: str) -> bool:
    found = os.lstat(path)
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _set_attribute(path: str, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise


def main(arguments: list[str]) -> int:
    """0 when done; else 2 for a bad archive or 3 for this machine, and a line on standard error."""
    path, folder, expected, bytes_max = arguments
    try:
        with open(path, "rb", buffering=COPY_BYTES) as archive:
            unpack(archive, folder, expected, int(bytes_max))
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"write {error.filename or 'a file'}: {(error.strerror or str(error)).lower()}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
