"""What this machine can limit, found once at start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from maru.components.docker.model.host_config import Facts
from maru.linux.cgroups import detect

_INITS = ("/usr/bin/tini-static", "/usr/bin/catatonit", "/usr/libexec/podman/catatonit", "/usr/bin/docker-init")
_RUNTIMES = ("crun", "runc")


def facts_blocking() -> Facts:
    """Runtimes are named as the engine names them; io.containerd.runc.v2 is what newer clients call the default."""
    cgroups = detect()
    is_unified = cgroups.is_unified
    if is_unified:
        has_swap = any(Path(cgroups.mounts[""]).glob("*/memory.swap.max"))
    else:
        has_swap = Path(cgroups.mounts.get("memory", "/none"), "memory.memsw.limit_in_bytes").exists()
    found = tuple(name for name in _RUNTIMES if shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:/sbin:/bin"))
    return Facts(
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        has_swap_limit=has_swap,
        is_unified=is_unified,
        runtimes=(*found, "io.containerd.runc.v2"),
        default_runtime="runc",
    )


def find_init_blocking() -> str:
    """A static init program, "" when none is installed."""
    return next((path for path in _INITS if os.access(path, os.X_OK)), "")
