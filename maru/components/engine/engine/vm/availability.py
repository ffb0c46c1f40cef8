"""Whether containers can be virtual machines here, and the command that is run for them.

The command is a small file that starts this Python on `program`, so that the command line of a holder
names no folder of ours. Source: linux/Documentation/virt/kvm (what a guest needs is tried, not assumed).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import maru
from maru.components.engine.engine.vm.initramfs import kernels_blocking
from maru.components.engine.engine.vm.machine import QEMU, file_server_path, qemu_path

NAME = "vm"
INSTALL = "apt-get install -y --no-install-recommends qemu-system-x86 linux-image-cloud-amd64"


def refusal_blocking(has_crun: bool) -> str:
    """Why there are no virtual machines here, with what mends it; "" if there are."""
    if os.uname().machine != "x86_64":
        return f"there is none for {os.uname().machine}"
    if qemu_path() is None:
        return f"{QEMU} is not installed: {INSTALL}"
    if file_server_path() is None:
        return "virtiofsd is not installed: apt-get install -y virtiofsd"
    if not kernels_blocking():
        return f"no kernel in /boot has virtio and virtiofs drivers: {INSTALL}"
    return "" if has_crun else "crun, which runs inside, is not installed: apt-get install -y crun"


def launcher_blocking(folder: Path) -> str:
    """The path of the command, made anew in `folder`. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    python = Path(sys.executable).resolve()
    place = Path(maru.__file__).resolve().parents[1]
    path = folder / "launch"
    fresh = folder / f"launch.{os.getpid()}"
    fresh.write_text(
        f"#!{python} -IS\nimport sys\nsys.path.insert(0, {str(place)!r})\n"
        "from maru.components.engine.engine.vm.program import main\nmain(sys.argv[1:])\n"
    )
    fresh.chmod(0o700)
    fresh.replace(path)
    return str(path)
