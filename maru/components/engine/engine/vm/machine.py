"""One virtual machine: its folder, its command lines, whether the processor helps.

Folder, beneath the runtime's state and named by the container's id: pid, exec.fifo until it is started,
s (the shepherd's socket), v (virtiofsd's), c (the guest's control port), iN oN eN tN (the ports of slot N),
k (the guest's console), share/ (what the guest is given). Source: qemu-system-x86_64(1); virtiofsd(1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maru.components.engine.engine.vm.guest import CONTROL_PORT, SLOTS, TERMINAL_PORT_FIRST, ports
from maru.components.engine.engine.vm.initramfs import archive
from maru.linux.taps import Wire

QEMU = "qemu-system-x86_64"
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILE_SERVERS = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd/virtiofsd")
_TRIAL_S = 15.0
_TRIAL_LINE = b"the guest is up"


@dataclass(frozen=True, slots=True)
class Build:
    """What a machine is made of. memory_bytes: all it has; taps: (open descriptor, the device it stands in for)."""

    folder: Path
    kernel: str
    initramfs: Path
    accelerator: str
    memory_bytes: int
    processors: int
    taps: Sequence[tuple[int, Wire]]


def qemu_path() -> str | None:
    """Where qemu is, if it is."""
    return shutil.which(QEMU, path=_SEARCH)


def file_server_path() -> str | None:
    """Where virtiofsd is, if it is: distributions keep it out of PATH."""
    return next((path for path in _FILE_SERVERS if os.access(path, os.X_OK) and Path(path).is_file()), None)


def file_server_command(folder: Path) -> Sequence[str]:
    """virtiofsd for the machine's share."""
    options = [f"source={folder / 'share'}", "sandbox=namespace", "cache=auto", "xattr"]
    return [file_server_path() or "virtiofsd", f"--socket-path={folder / 'v'}", *(f"-o{option}" for option in options)]


def machine_command(build: Build) -> Sequence[str]:
    """qemu for a machine."""
    folder, memory = build.folder, f"{build.memory_bytes >> 20}M"
    command = [
        *(qemu_path() or QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", f"q35,accel={build.accelerator},memory-backend=m,smm=off,vmport=off,hpet=off"),
        *("-cpu", "host" if build.accelerator == "kvm" else "max"),
        *("-smp", str(build.processors), "-m", memory),
        *("-object", f"memory-backend-memfd,id=m,size={memory},share=on"),
        *("-kernel", build.kernel, "-initrd", str(build.initramfs)),
        *("-append", "console=ttyS0 quiet loglevel=4 panic=-1 random.trust_cpu=on rdinit=/init"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
        *("-chardev", f"socket,id=v,path={folder / 'v'}", "-device", "vhost-user-fs-pci,chardev=v,tag=stage"),
        *("-chardev", f"socket,id=k,path={folder / 'k'},server=on,wait=off", "-serial", "chardev:k"),
        *("-device", "virtio-serial-pci,max_ports=31"),
    ]
    names = [("c", CONTROL_PORT)]
    for slot in range(SLOTS):
        names += [(f"{kind}{slot}", port) for kind, port in zip("ioe", ports(slot), strict=True)]
    names += [(f"t{slot}", TERMINAL_PORT_FIRST + slot) for slot in range(SLOTS)]
    for name, port in names:
        device = "virtconsole" if name[0] == "t" else "virtserialport"
        command += ["-chardev", f"socket,id={name},path={folder / name},server=on,wait=off"]
        command += ["-device", f"{device},chardev={name},nr={port}"]
    for number, (descriptor, wire) in enumerate(build.taps):
        command += ["-netdev", f"tap,id=n{number},fd={descriptor}"]
        command += ["-device", f"virtio-net-pci,netdev=n{number},mac={wire.mac},romfile="]
    return command


def network_script(wires: Sequence[Wire], sysctls: Sequence[tuple[str, str]]) -> str:
    """Shell lines that give the guest's devices what stands on those outside."""
    lines = [f"sysctl -q -w '{name}={value}'" for name, value in sysctls if "'" not in name + value]
    for number, wire in enumerate(wires):
        lines += [f"ip link set eth{number} mtu {wire.mtu} up"]
        for address in wire.addresses:
            lines.append(f"ip addr add {address} dev eth{number}")
        lines += [f"arp -i eth{number} -s {address} {mac}" for address, mac in wire.neighbours]
        for destination, gateway in wire.routes:
            family = "-6 " if ":" in destination else ""
            way = f"via {gateway} " if gateway else ""
            lines.append(f"ip {family}route add {destination} {way}dev eth{number}")
    return "\n".join([*lines, ""])


def accelerator_blocking(state: Path, kernel: str) -> str:
    """kvm where a machine of a moment's life comes up with it, else tcg; kept until the state goes (a reboot)."""
    kept = state / "accelerator"
    if kept.exists():
        return kept.read_text()
    found = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and boots_blocking(state, kernel, "kvm") else "tcg"
    kept.write_text(found)
    return found


def boots_blocking(state: Path, kernel: str, accelerator: str) -> bool:
    """Whether a machine comes up as far as its first process."""
    busybox = shutil.which("busybox", path=_SEARCH)
    if busybox is None:
        return False
    script = f"#!/bin/busybox sh\necho {_TRIAL_LINE.decode()}\n/bin/busybox poweroff -f\n".encode()
    trial = state / f"trial-{os.getpid()}"
    trial.write_bytes(archive({"bin/busybox": Path(busybox).read_bytes(), "init": script}))
    command = [
        *(qemu_path() or QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-m", "128M"),
        *("-machine", f"q35,accel={accelerator}", "-cpu", "host" if accelerator == "kvm" else "max"),
        *("-kernel", kernel, "-initrd", str(trial), "-append", "console=ttyS0 quiet panic=-1 rdinit=/init"),
        *("-serial", "stdio"),
    ]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL_S, check=False)
        return _TRIAL_LINE in done.stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        trial.unlink()
