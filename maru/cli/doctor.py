"""What Maru needs of a machine, looked at without changing anything.

Each finding says what was looked at, what was seen, and the command that mends it if it is not well.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.cli import supervised
from maru.components.engine.engine import oci
from maru.components.engine.engine.vm import availability
from maru.components.engine.engine.vm.initramfs import kernels_blocking
from maru.components.engine.engine.vm.machine import accelerator_blocking, boots_blocking
from maru.components.network.engine.doctor import examine_blocking
from maru.core.errors import MaruError
from maru.core.site import PORT_KUBERNETES, Site
from maru.linux import cgroups

FREE_BYTES_MIN = 512 * 1024 * 1024
KERNEL_UNTOUCHABLE = "the kernel does not let this process ask"


class Finding(msgspec.Struct, frozen=True):
    """One look. is_fatal: Maru cannot start like this."""

    what: str
    why: str
    is_well: bool
    is_fatal: bool = False
    fix: str = ""


def examine(here: Site) -> Sequence[Finding]:
    """What can be seen at a glance, in the order in which it matters."""
    return [
        _root(),
        _program("a container runtime", oci.NAMES, "apt-get install -y runc"),
        _program("conmon, which holds containers", ("conmon",), "apt-get install -y conmon"),
        _program("busybox, for the base image and to try runtimes", ("busybox",), "apt-get install -y busybox-static"),
        _overlay(),
        _cgroups(),
        _netfilter(),
        _folder(here),
        _disk(here),
        _port(here),
    ]


def examine_closely(here: Site) -> Sequence[Finding]:
    """What takes a try: each runtime runs a container that does nothing, the network is asked. Needs root."""
    return [*asyncio.run(_runtimes()), *_network(here)]


def are_ranges_free(here: Site) -> bool:
    """Whether no way of this machine leads into the address ranges of `here`."""
    return all(finding.is_well for finding in _network(here) if finding.what.endswith("addresses"))


async def _runtimes() -> list[Finding]:
    findings = []
    with tempfile.TemporaryDirectory(prefix="maru-doctor-", dir="/run") as folder:
        for name in oci.NAMES:
            try:
                await oci.choose(name, f"{folder}/state", Path(folder), cgroups.detect())
                findings.append(Finding(name, "it ran a container", is_well=True))
            except MaruError as error:
                fix = error.fix or "the other one is used where it works"
                findings.append(Finding(name, error.why or error.what, is_well=False, fix=fix))
    if not any(finding.is_well for finding in findings):
        findings = [msgspec.structs.replace(finding, is_fatal=True) for finding in findings]
    return [*findings, await asyncio.to_thread(_virtual_machines_blocking)]


def _virtual_machines_blocking() -> Finding:
    """Whether containers can be virtual machines: one is booted. Nothing else suffers where they cannot."""
    what = "vm, containers in virtual machines"
    refusal = availability.refusal_blocking(has_crun=shutil.which("crun") is not None)
    if refusal:
        why, _, fix = refusal.partition(": ")
        return Finding(what, why, is_well=False, fix=fix or "docker run --runtime crun")
    kernel = kernels_blocking()[0][1]
    with tempfile.TemporaryDirectory(prefix="maru-doctor-", dir="/run") as folder:
        if accelerator_blocking(Path(folder), kernel) == "kvm":
            return Finding(what, "one came up, helped by the processor (KVM)", is_well=True)
        if boots_blocking(Path(folder), kernel, "tcg"):
            why = (
                "one came up in software; with KVM none does"
                if Path("/dev/kvm").exists()
                else "one came up in software"
            )
            return Finding(what, why, is_well=True)
    return Finding(what, "qemu is there, and no machine comes up", is_well=False, fix="docker run --runtime crun")


def _network(here: Site) -> list[Finding]:
    try:
        seen = examine_blocking(here)
    except OSError as error:
        return [
            Finding("network", f"{KERNEL_UNTOUCHABLE}: {error.strerror or error}", is_well=False, fix="run it as root")
        ]
    return [Finding(look.what, look.why, look.is_well, fix=look.fix) for look in seen]


def _root() -> Finding:
    is_root = os.geteuid() == 0
    seen = "this is root" if is_root else f"this is user {os.geteuid()}"
    return Finding("root", seen, is_root, not is_root, "run it as root: sudo maru ...")


def _program(what: str, names: Sequence[str], fix: str) -> Finding:
    found = []
    for name in names:
        try:
            found.append(oci.find_tool(name))
        except MaruError:
            continue
    missing = (
        f"{' or '.join(names)} is not installed" if len(names) == 1 else f"none of {', '.join(names)} is installed"
    )
    return Finding(what, ", ".join(found) or missing, bool(found), not found, fix)


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


def _folder(here: Site) -> Finding:
    what, folder = f"folder {here.data_dir}", _nearest(here.data_dir)
    if not folder.is_dir():
        return _fatal(what, f"{folder} is no folder", "choose another: maru up --data-dir DIR")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding(what, "writable", is_well=True)
    except OSError as error:
        return _fatal(what, f"{error.strerror}", "make it writable, or choose another: maru up --data-dir DIR")


def _nearest(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _disk(here: Site) -> Finding:
    folder = _nearest(here.data_dir)
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
