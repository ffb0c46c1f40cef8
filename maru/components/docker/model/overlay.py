"""Which bridges are overlays of a swarm, and how such a network is shown.

Source: Docker Engine API v1.50, Network; Docker's documentation, "Overlay network driver".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.contracts.container_network import NetworkSpec

OVERLAY = "dev.maru.overlay"  # the option that marks one; its value: true, or ingress
INGRESS = "ingress"
VXLAN = "com.docker.network.driver.overlay.vxlanid_list"
VXLAN_FIRST = 4096


def is_overlay(spec: NetworkSpec) -> bool:
    """Whether it belongs to a swarm."""
    return OVERLAY in spec.options


def shown_driver(spec: NetworkSpec) -> str:
    """As people know it."""
    return "overlay" if is_overlay(spec) else spec.driver


def shown_scope(spec: NetworkSpec) -> str:
    """local or swarm."""
    return "swarm" if is_overlay(spec) else "local"


def is_ingress(spec: NetworkSpec) -> bool:
    """Whether it is the network of the routing mesh."""
    return spec.ingress or spec.options.get(OVERLAY) == INGRESS


def shown_options(spec: NetworkSpec) -> Mapping[str, str]:
    """Without our mark."""
    return {key: value for key, value in spec.options.items() if key != OVERLAY}
