"""What a Service forwards: frontends, the backends behind each, and how one of them is picked.

A frontend is an address, protocol and port; `NODE` as the address stands for every address of the
machine (node ports, host ports). Backends outside of the machine's own are the business of routes.
"""

from __future__ import annotations

from dataclasses import dataclass

NODE = "0.0.0.0"
"""The address of a frontend that any address of the machine is."""

PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


@dataclass(frozen=True, slots=True, order=True)
class Frontend:
    """Where clients send to. protocol: TCP, UDP or SCTP."""

    address: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """Where it goes."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What stands behind one frontend.

    cluster: backends for everybody, or (when `local` is not None) for clients within the cluster;
    local: backends for clients from outside, who keep their address (externalTrafficPolicy Local).
    affinity_s: a client stays with its backend for so long after its last connection; 0 for not.
    masquerade: clients from outside of the Pod range come to the backend from this machine's address.
    closed: what meets a client when there is no backend: reject or drop.
    sources: networks that may come in (empty: all).
    """

    cluster: tuple[Backend, ...]
    local: tuple[Backend, ...] | None = None
    affinity_s: int = 0
    masquerade: bool = True
    closed: str = "reject"
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pick:
    """A way to pick a backend; every frontend with the same one shares its chain.

    node: the frontend is an address of the machine; cluster, local: how many backends (local -1: the
    policy is not Local).
    """

    node: bool
    cluster: int
    local: int = -1
    affinity_s: int = 0
    masquerade: bool = True

    @property
    def chain(self) -> str:
        """The name of its chain."""
        parts = ["node" if self.node else "vip", str(self.cluster)]
        if self.local >= 0:
            parts += ["local", str(self.local)]
        if self.affinity_s:
            parts += ["keep", str(self.affinity_s)]
        if not self.masquerade:
            parts.append("plain")
        return "-".join(parts)


def pick_of(frontend: Frontend, forwarding: Forwarding) -> Pick | None:
    """How the frontend picks, or None if nobody is behind it."""
    if not forwarding.cluster and not forwarding.local:
        return None
    local = -1 if forwarding.local is None else len(forwarding.local)
    return Pick(frontend.address == NODE, len(forwarding.cluster), local, forwarding.affinity_s, forwarding.masquerade)
