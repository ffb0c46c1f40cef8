"""Which tracked UDP and SCTP flows are stale: they go on to a backend that no longer serves.

A flow through a frontend that changed is stale when its backend is none of the present ones, which
also covers flows from before there was any backend. For node ports, whose address may be any, only
flows to backends that are known to have gone are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maru.components.network.model.forwarding import Backend
from maru.linux.conntrack import Flow


@dataclass(slots=True)
class StaleFlows:
    """allowed: backends by (protocol, address, port) of a changed frontend; gone: by (protocol, node port)."""

    allowed: dict[tuple[int, str, int], frozenset[Backend]] = field(default_factory=dict)
    gone: dict[tuple[int, int], frozenset[Backend]] = field(default_factory=dict)

    @property
    def may_exist(self) -> bool:
        """False when no flow can be stale, so that nobody need look."""
        return bool(self.allowed or self.gone)

    def has(self, flow: Flow) -> bool:
        """Whether the flow is stale."""
        backend = Backend(flow.backend, flow.backend_port)
        allowed = self.allowed.get((flow.protocol, flow.address, flow.port))
        if allowed is not None:
            return backend not in allowed
        return backend in self.gone.get((flow.protocol, flow.port), ())
