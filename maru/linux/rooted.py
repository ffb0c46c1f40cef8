"""Opening paths inside a root that is not ours: links in them lead nowhere outside of it.

Source: openat2(2), RESOLVE_IN_ROOT.
"""

from __future__ import annotations

import ctypes
import os

_OPENAT2 = 437
_IN_ROOT = 0x10
_NO_MAGIC_LINKS = 0x02


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_in_root_blocking(root: str, path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of `path` as somebody whose root folder is `root` would find it. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = _How(flags | os.O_CLOEXEC, 0, _IN_ROOT | _NO_MAGIC_LINKS)
        descriptor: int = libc.syscall(_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return descriptor
    finally:
        os.close(folder)


def read_in_root_blocking(root: str, path: str, bytes_max: int) -> bytes:
    """A file's first bytes; empty when there is no such file."""
    try:
        descriptor = open_in_root_blocking(root, path)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(bytes_max)
