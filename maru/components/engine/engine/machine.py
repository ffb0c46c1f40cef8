"""What containers are made with on this machine, found once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.components.engine.engine.oci import OciRuntime
from maru.components.engine.model.specification import Grant
from maru.linux.cgroups import Cgroups


@dataclass(frozen=True, slots=True)
class Machine:
    """conmon: its path; runtimes: by name; default: the name of one that works.

    holder_group: the control group of every holder.
    """

    conmon: str
    runtimes: Mapping[str, OciRuntime]
    default: str
    cgroups: Cgroups
    grant: Grant
    holder_group: str
    create_deadline_s: float
