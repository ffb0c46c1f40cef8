"""Which bridges are overlays of a swarm, and how such a network is shown.

Source: Docker Engine API v1.50, Network; Docker's documentation, "Overlay network driver".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from maru.components.docker.model.swarm.tasks import TASK_LABEL
from maru.contracts.container_network import Network, NetworkSpec
from maru.core.document import Value
from maru.core.errors import Denied

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


def check_attachable(networks: Iterable[Network], wanted: Collection[str], config: Value) -> None:
    """A container of one's own may join an overlay only where that says so. Raises Denied."""
    if TASK_LABEL in (config.get("Labels") or ()):
        return
    for network in networks:
        is_wanted = network.name in wanted or network.id in wanted
        if is_wanted and is_overlay(network.spec) and not network.spec.attachable:
            words = f"rpc error: code = PermissionDenied desc = network {network.name} not manually attachable"
            raise Denied(what=f"Could not attach to network {network.name}: {words}", why="")


def shown_options(spec: NetworkSpec) -> Mapping[str, str]:
    """Without our mark."""
    return {key: value for key, value in spec.options.items() if key != OVERLAY}
