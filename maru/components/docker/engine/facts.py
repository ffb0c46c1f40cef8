"""What this machine can limit, found once at start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from maru.components.docker.model.host_config import Facts
from maru.contracts.runtime import RuntimeChoice
from maru.linux.cgroups import detect

_INITS = ("/usr/bin/tini-static", "/usr/bin/catatonit", "/usr/libexec/podman/catatonit", "/usr/bin/docker-init")


def facts_blocking(choices: Sequence[RuntimeChoice]) -> Facts:
    """choices: what the engine can run containers on, the default first."""
    cgroups = detect()
    is_unified = cgroups.is_unified
    if is_unified:
        has_swap = any(Path(cgroups.mounts[""]).glob("*/memory.swap.max"))
    else:
        has_swap = Path(cgroups.mounts.get("memory", "/none"), "memory.memsw.limit_in_bytes").exists()
    return Facts(
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        has_swap_limit=has_swap,
        is_unified=is_unified,
        runtimes={choice.name: choice.path for choice in choices if not choice.refusal},
        default_runtime=choices[0].name,
        refusals={choice.name: choice.refusal for choice in choices if choice.refusal},
    )


def find_init_blocking() -> str:
    """A static init program, "" when none is installed."""
    return next((path for path in _INITS if os.access(path, os.X_OK)), "")
