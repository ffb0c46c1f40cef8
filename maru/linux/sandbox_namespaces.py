"""Namespaces of a Pod without a process in them: held by bind mounts on files.

A throw-away thread leaves the machine's network, IPC and UTS namespaces, sets the hostname and
kernel parameters in the new ones, binds each to its file and ends. What must have a first process
(a shared PID namespace) gets the smallest there is. Source: namespaces(7), unshare(2), mount(2).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from maru.linux.bind_mounts import bind_blocking
from maru.linux.mounts import unmount_blocking

_FLAGS = {"net": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000}
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_HOLD_PID = "trap '' CHLD; exec sleep infinity"


def make_blocking(folder: Path, kinds: Sequence[str], hostname: str, sysctls: Mapping[str, str]) -> None:
    """Bind new namespaces of `kinds` (net, ipc, uts) to folder/net and so on; idempotent per file.

    Raises OSError; a refused kernel parameter is a PermissionError or FileNotFoundError naming it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [kind for kind in kinds if not is_held_blocking(folder / kind)]
    if missing:
        _in_thread(lambda: _unshare_and_hold(folder, missing, hostname, sysctls))


def is_held_blocking(path: Path) -> bool:
    """True when a namespace is bound to `path`."""
    try:
        return path.exists() and path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False


def hold_pid_blocking(folder: Path) -> int:
    """A new PID namespace bound to folder/pid; answers its first process, which reaps what ends in it."""
    path = folder / "pid"
    holder = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--", "sh", "-c", _HOLD_PID],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
    first = 0
    while not first and holder.poll() is None:
        words = children.read_text().split()
        first = int(words[0]) if words else 0
    if not first:
        raise OSError("unshare --pid ended at once")
    path.touch()
    bind_blocking(f"/proc/{holder.pid}/ns/pid_for_children", str(path))
    return first


def remove_blocking(folder: Path, first_pid: int = 0) -> None:
    """Let the namespaces go (and end the first process of a shared PID namespace); idempotent."""
    if first_pid and _holds_pid_namespace(folder / "pid", first_pid):
        with suppress(ProcessLookupError):
            os.kill(first_pid, signal.SIGKILL)
    for kind in ("net", "ipc", "uts", "pid"):
        path = folder / kind
        if path.exists():
            unmount_blocking(str(path))
            path.unlink(missing_ok=True)


def _holds_pid_namespace(path: Path, pid: int) -> bool:
    try:
        return path.stat().st_ino == Path(f"/proc/{pid}/ns/pid").stat().st_ino
    except OSError:
        return False


def _in_thread(work: Callable[[], None]) -> None:
    """Run `work` on a thread that ends with it; raises what it raises."""
    with ThreadPoolExecutor(1, thread_name_prefix="sandbox") as thread:
        thread.submit(work).result()


def _unshare_and_hold(folder: Path, kinds: Sequence[str], hostname: str, sysctls: Mapping[str, str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    flags = 0
    for kind in kinds:
        flags |= _FLAGS[kind]
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")
    if "uts" in kinds:
        socket.sethostname(hostname)
    if "net" in kinds:
        _raise_loopback()
    for name, value in sysctls.items():
        Path("/proc/sys", *name.replace("/", ".").split(".")).write_text(value)
    held = []
    try:
        for kind in kinds:
            path = folder / kind
            path.touch()
            bind_blocking(f"/proc/thread-self/ns/{kind}", str(path))
            held.append(path)
    except OSError:
        for path in held:
            unmount_blocking(str(path))
        raise


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
