"""What the container networks are at one moment, as it is kept in the journal and reckoned with.

Everything that follows from it (routes, rules, names) is worked out from these values alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import msgspec

from maru.components.network.model.container_options import Options, parse_options
from maru.components.network.model.container_pools import is_ipv6
from maru.contracts.container_network import NO_NAMES, Endpoint, Join, NetworkSpec, Pool, PublishedPort, Sandbox


class NetworkRecord(msgspec.Struct, frozen=True):
    """One network. device: its bridge, or the parent of its macvlans; owns_device: whether it goes with it.

    chose4, chose6: whether the user named the range, so that addresses may be asked for.
    """

    id: str
    spec: NetworkSpec
    created_at: datetime
    device: str = ""
    owns_device: bool = False
    is_predefined: bool = False
    chose4: bool = False
    chose6: bool = False

    @property
    def options(self) -> Options:
        """The driver's options, which were checked when the network was made."""
        return parse_options(self.spec.driver, self.spec.options)

    @property
    def pool4(self) -> Pool | None:
        """The IPv4 range, None without."""
        return next((pool for pool in self.spec.pools if self.spec.enable_ipv4 and not is_ipv6(pool)), None)

    @property
    def pool6(self) -> Pool | None:
        """The IPv6 range in use, None without."""
        return next((pool for pool in self.spec.pools if self.spec.enable_ipv6 and is_ipv6(pool)), None)

    @property
    def is_default_bridge(self) -> bool:
        """The one without names."""
        return self.is_predefined and self.spec.driver == "bridge"

    @property
    def has_names(self) -> bool:
        """Whether its containers find each other by name."""
        return not self.is_predefined and self.spec.options.get(NO_NAMES) != "true"


class Held(msgspec.Struct, frozen=True):
    """An endpoint in use. link: the machine's side of its device, "" without."""

    endpoint: Endpoint
    join: Join
    link: str = ""


class OpenSandbox(msgspec.Struct, frozen=True):
    """A sandbox that is open. ports: those that are published."""

    sandbox: Sandbox
    held: tuple[Held, ...] = ()
    ports: tuple[PublishedPort, ...] = ()

    @property
    def id(self) -> str:
        """The container's."""
        return self.sandbox.container_id

    def find(self, network_id: str) -> Held | None:
        """The endpoint on a network, or None."""
        return next((held for held in self.held if held.endpoint.network_id == network_id), None)

    def gateway(self, *, ipv6: bool = False) -> Held | None:
        """The endpoint that leads outside: the highest priority, then the network whose name sorts first."""
        leading = [held for held in self.held if (held.endpoint.gateway6 if ipv6 else held.endpoint.gateway)]
        leading.sort(key=lambda held: (-held.join.gateway_priority, held.endpoint.network_name))
        return leading[0] if leading else None

    def renamed(self, container_name: str) -> OpenSandbox:
        """The same under another name."""
        sandbox = replace(self.sandbox, container_name=container_name)
        held = tuple(
            msgspec.structs.replace(
                each,
                endpoint=replace(
                    each.endpoint,
                    container_name=container_name,
                    dns_names=dns_names(sandbox, each.join) if each.endpoint.dns_names else (),
                ),
            )
            for each in self.held
        )
        return msgspec.structs.replace(self, sandbox=sandbox, held=held)


Networks = Mapping[str, NetworkRecord]
"""By id."""


def dns_names(sandbox: Sandbox, join: Join) -> tuple[str, ...]:
    """What others find the container by: its name, aliases, short id and host name, each once."""
    names = (sandbox.container_name, *join.aliases, sandbox.container_id[:12], sandbox.hostname)
    return tuple(dict.fromkeys(name for name in names if name))
