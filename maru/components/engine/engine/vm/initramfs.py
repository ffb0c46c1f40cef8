"""The first file system of a guest: busybox, crun with its libraries, the drivers, and the script.

Made once per kernel and kept beside the runtime's state. The archive is cpio in its "newc" form, which
the kernel unpacks. Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst; ldd(1), modprobe(8).
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from maru.components.engine.engine.vm.guest import SCRIPT

MODULES = ("virtio_pci", "virtio_console", "virtiofs", "virtio_net", "af_packet")
NEEDED = MODULES[:3]
_BUILT_IN_DEADLINE_S = 20
_FOLDERS = ("bin", "dev", "lib", "lib64", "modules.d", "proc", "run", "stage", "sys", "usr", "usr/lib")
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def kernels_blocking() -> Sequence[tuple[str, str]]:
    """(version, path) of each kernel with a guest's drivers: those for clouds first, and the newest first."""
    found = []
    for path in Path("/boot").glob("vmlinuz-*"):
        version = path.name.removeprefix("vmlinuz-")
        if all(modules_blocking(version, name) is not None for name in NEEDED):
            numbers = [int(number) for number in re.findall(r"\d+", version)[:4]]
            found.append(("cloud" in version, numbers, version, str(path)))
    return [(version, path) for _, _, version, path in sorted(found, reverse=True)]


def modules_blocking(version: str, name: str) -> Sequence[str] | None:
    """The files of a driver and those it stands on, in order; none when it is built in; None when there is none."""
    tool = shutil.which("modprobe", path=_SEARCH)
    if tool is None:
        return None
    done = subprocess.run(
        [tool, "-S", version, "--show-depends", name],
        capture_output=True,
        text=True,
        timeout=_BUILT_IN_DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        return None
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("insmod ")]


def ensure_blocking(folder: Path, version: str) -> Path:
    """The archive for a kernel, made if it is not there. Raises OSError."""
    crun = Path(shutil.which("crun", path=_SEARCH) or "/").stat()
    mark = hashlib.sha256(f"{SCRIPT}{crun.st_mtime_ns}{crun.st_size}".encode()).hexdigest()[:12]
    path = folder / f"initramfs-{version}-{mark}"
    if path.exists():
        return path
    files = dict(_tools_blocking())
    order: list[str] = []
    for name in MODULES:
        for file in modules_blocking(version, name) or ():
            inner = f"modules.d/{Path(file).name.partition('.')[0]}.ko"
            if f"/{inner}" not in order:
                order.append(f"/{inner}")
                files[inner] = _driver(Path(file))
    files["modules"] = "".join(f"{name}\n" for name in order).encode()
    files["init"] = SCRIPT.encode()
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(archive(files))
    fresh.replace(path)
    return path


def archive(files: Mapping[str, bytes]) -> bytes:
    """A cpio archive of folders, executable files, and the console that a kernel opens first."""
    folders = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
    parts = [_entry(number, name, 0o040755, b"") for number, name in enumerate(sorted({*_FOLDERS, *folders}), 1)]
    parts += [_entry(10_000 + number, name, 0o100755, files[name]) for number, name in enumerate(sorted(files))]
    parts.append(_entry(0, "TRAILER!!!", 0, b""))
    return b"".join(parts)


def _entry(number: int, name: str, mode: int, content: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 2 if mode & 0o040000 else 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def _tools_blocking() -> Iterator[tuple[str, bytes]]:
    for name in ("busybox", "crun"):
        path = shutil.which(name, path=_SEARCH)
        if path is None:
            raise FileNotFoundError(f"{name} is not installed")
        yield f"bin/{name}", Path(path).read_bytes()
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, timeout=20, check=False).stdout
        for library in re.findall(r"(?:=> )?(/\S+) \(0x", listed):
            yield library.lstrip("/"), Path(library).read_bytes()


def _driver(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(content)
    if path.suffix == ".ko":
        return content
    raise OSError(f"{path}: a driver packed with {path.suffix[1:]} cannot be unpacked here")
