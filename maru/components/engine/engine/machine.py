"""What containers are made with on this machine, found once at start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.engine.engine.oci import OciRuntime
from maru.components.engine.model.specification import Grant
from maru.contracts.runtime import RuntimeChoice
from maru.linux.cgroups import Cgroups


@dataclass(frozen=True, slots=True)
class Machine:
    """conmon: its path; runtimes: by name; default: the name of one that works.

    holder_group: the control group of every holder. missing: names of runtimes that cannot be had, with why.
    """

    conmon: str
    runtimes: Mapping[str, OciRuntime]
    default: str
    cgroups: Cgroups
    grant: Grant
    holder_group: str
    create_deadline_s: float
    missing: Mapping[str, str] = field(default_factory=dict)

    def choices(self) -> Sequence[RuntimeChoice]:
        """The default first; then those that can be had, then the others, each with why."""
        names = [self.default, *sorted(set(self.runtimes) - {self.default})]
        there = [RuntimeChoice(name, self.runtimes[name].prefix[-1]) for name in names]
        return [*there, *(RuntimeChoice(name, "", why) for name, why in sorted(self.missing.items()))]
