"""What a runtime specification must give up on this machine, and nothing else.

Capabilities outside our bounding set and limits above our own cannot be granted by anybody we start;
asking for them would make the runtime refuse the container. Source: OCI runtime specification 1.2,
config.md `process`; capabilities(7), CAP_SYS_RESOURCE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.core.document import Value

CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


@dataclass(frozen=True, slots=True)
class Grant:
    """What this process may hand on. hard_limits: RLIMIT_NAME to our hard limit, -1 unlimited.

    out_of_memory_score: our own oom_score_adj, the least a child can get without CAP_SYS_RESOURCE.
    """

    capabilities: frozenset[str]
    hard_limits: Mapping[str, int]
    out_of_memory_score: int

    @property
    def has_resource_capability(self) -> bool:
        return "CAP_SYS_RESOURCE" in self.capabilities


def adapt_process(process: Value, grant: Grant, *, terminal: bool) -> Value:
    """The OCI process object as it can be started here; the argument is left alone."""
    adapted = {**process, "terminal": terminal}
    if "capabilities" in process:
        sets = process["capabilities"]
        adapted["capabilities"] = {
            name: [capability for capability in sets[name] if capability in grant.capabilities]
            for name in CAPABILITY_SETS
            if name in sets
        }
    if grant.has_resource_capability:
        return adapted
    if "rlimits" in process:
        adapted["rlimits"] = [_clamp(limit, grant.hard_limits) for limit in process["rlimits"]]
    if "oomScoreAdj" in process:
        adapted["oomScoreAdj"] = max(process["oomScoreAdj"], grant.out_of_memory_score)
    return adapted


def adapt(spec: Value, grant: Grant, *, root: str, terminal: bool) -> Value:
    """The runtime configuration with its root file system at `root`; the argument is left alone."""
    read_only = bool(spec.get("root", {}).get("readonly", False))
    return {
        "ociVersion": "1.0.2",
        **spec,
        "root": {"path": root, "readonly": read_only},
        "process": adapt_process(spec["process"], grant, terminal=terminal),
    }


def _clamp(limit: Value, hard_limits: Mapping[str, int]) -> Value:
    most = hard_limits.get(limit["type"], -1)
    if most < 0:
        return limit
    return {**limit, "hard": min(limit["hard"], most), "soft": min(limit["soft"], most)}
