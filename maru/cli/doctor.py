"""What Maru needs of a machine, looked at without changing anything.

Each finding says what was looked at, what was seen, and the command that mends it if it is not well.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.cli import supervised
from maru.core.site import PORT_KUBERNETES, Site

FREE_BYTES_MIN = 512 * 1024 * 1024


class Finding(msgspec.Struct, frozen=True):
    """One look. is_fatal: Maru cannot start like this."""

    what: str
    why: str
    is_well: bool
    is_fatal: bool = False
    fix: str = ""


def examine(here: Site) -> Sequence[Finding]:
    """All findings, in the order in which they matter."""
    return [
        _root(),
        _programs("a container runtime", ("crun", "runc"), "apt-get install -y runc"),
        _programs("conmon, which holds containers", ("conmon",), "apt-get install -y conmon"),
        _busybox(),
        _overlay(),
        _cgroups(),
        _netfilter(),
        _disk(here),
        _port(here),
    ]


def _root() -> Finding:
    is_root = os.geteuid() == 0
    seen = "this is root" if is_root else f"this is user {os.geteuid()}"
    return Finding("root", seen, is_root, not is_root, "run it as root: sudo maru ...")


def _programs(what: str, names: Sequence[str], fix: str) -> Finding:
    found = [path for name in names if (path := shutil.which(name))]
    missing = f"none of {', '.join(names)} is installed"
    return Finding(what, ", ".join(found) or missing, bool(found), not found, fix)


def _busybox() -> Finding:
    found = shutil.which("busybox")
    seen = found or "not installed: `maru image build-base` cannot make its image"
    return Finding("busybox, for the base image", seen, bool(found), fix="apt-get install -y busybox-static")


def _overlay() -> Finding:
    has = "overlay" in Path("/proc/filesystems").read_text().split()
    return Finding("overlayfs", "the kernel has it" if has else "the kernel lacks it", has, not has, "modprobe overlay")


def _cgroups() -> Finding:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return Finding("cgroups", "version 2", is_well=True)
    if (root / "memory").is_dir() and (root / "pids").is_dir():
        return Finding("cgroups", "version 1 or hybrid", is_well=True)
    return _fatal("cgroups", f"no memory controller under {root}", "mount -t cgroup2 none /sys/fs/cgroup")


def _netfilter() -> Finding:
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12).close()  # NETLINK_NETFILTER
    except OSError as error:
        return _fatal("nftables", f"no netfilter netlink: {error.strerror}", "modprobe nf_tables")
    return Finding("nftables", "the kernel answers", is_well=True)


def _disk(here: Site) -> Finding:
    folder = next(path for path in (here.data_dir, *here.data_dir.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    seen = f"{free // 1024 // 1024} MiB free under {folder}"
    return Finding("disk", seen, free >= FREE_BYTES_MIN, free < FREE_BYTES_MIN, f"free some space on {folder}")


def _port(here: Site) -> Finding:
    port = here.port(PORT_KUBERNETES)
    if supervised.is_running(here.data_dir):
        return Finding(f"port {port}", "Maru itself has it", is_well=True)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((here.listen, port))
        except OSError as error:
            fix = "stop what holds it (ss -ltnp), or choose others: maru up --port-offset 1000"
            return _fatal(f"port {port}", f"{error.strerror}", fix)
    return Finding(f"port {port}", "free", is_well=True)


def _fatal(what: str, why: str, fix: str) -> Finding:
    return Finding(what, why, is_well=False, is_fatal=True, fix=fix)
