"""The networks themselves: made, found and removed. All calls block and belong on one thread, but `list` and `find`.

Error texts are dockerd's. Source: moby/daemon/network.go and libnetwork/controller.go, for what is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from maru.components.network.engine.container_journal import Journal
from maru.components.network.engine.container_links import ContainerLinks
from maru.components.network.engine.container_tables import ContainerTables
from maru.components.network.model.container_elements import all_elements
from maru.components.network.model.container_ground import ContainerGround, bridge_name
from maru.components.network.model.container_options import (
    BRIDGE_NAME,
    DEFAULT_BRIDGE,
    HOST_BINDING,
    ICC,
    MASQUERADE,
    MTU,
    parse_options,
)
from maru.components.network.model.container_pools import chosen, is_ipv6, parsed
from maru.components.network.model.container_state import NetworkRecord
from maru.contracts.container_network import BRIDGE, HOST, NONE, Network, NetworkSpec, Pool
from maru.core.errors import AlreadyExists, Denied, Invalid, NotFound, NotSupported
from maru.linux.netlink import KernelError

NULL_DRIVER, MACVLAN = "null", "macvlan"
_PREDEFINED = {NONE: NULL_DRIVER, HOST: HOST, BRIDGE: BRIDGE}
_ONLY_ONE = (HOST, NULL_DRIVER)
_NOT_YET = ("ipvlan", "overlay")


class ContainerNetworks:
    """All networks of this node."""

    def __init__(
        self, ground: ContainerGround, journal: Journal, links: ContainerLinks, tables: ContainerTables
    ) -> None:
        self._ground = ground
        self._journal = journal
        self._links = links
        self._tables = tables

    def list(self) -> list[Network]:
        """See the contract."""
        return [self._shown(record) for record in list(self._journal.networks.values())]

    def find(self, reference: str) -> Network:
        """See the contract."""
        return self._shown(self.find_record(reference))

    def find_record(self, reference: str) -> NetworkRecord:
        """By whole id, name, or a beginning of an id. Raises NotFound, Invalid."""
        records = list(self._journal.networks.values())
        whole = [record for record in records if record.id == reference]
        named = [record for record in records if record.spec.name == reference]
        begun = [record for record in records if reference and record.id.startswith(reference)]
        for found, by in ((whole, "id"), (named, "name"), (begun, "ID prefix")):
            if len(found) == 1:
                return found[0]
            if found:
                raise Invalid(
                    what=f"network {reference} is ambiguous ({len(found)} matches found based on {by})", why=""
                )
        raise NotFound(what=f"network {reference} not found", why="")

    def set_up_blocking(self, ids: Iterator[str], now: datetime) -> None:
        """The three that are always there, and the devices of all. Raises KernelError."""
        have = {record.spec.name for record in self._journal.networks.values() if record.is_predefined}
        for name, driver in _PREDEFINED.items():
            if name not in have:
                self._journal.put_network_blocking(self._predefined(next(ids), name, driver, now))
        for record in self._journal.networks.values():
            self._links.set_up_blocking(record)

    def create_blocking(self, spec: NetworkSpec, network_id: str, now: datetime) -> Network:
        """See the contract."""
        self._check_name(spec)
        self._check_driver(spec)
        if spec.config_only:
            record = NetworkRecord(network_id, spec, now)
            self._journal.put_network_blocking(record)
            return self._shown(record)
        spec = self._with_template(spec)
        options = parse_options(spec.driver, spec.options)
        device = options.device or (bridge_name(network_id) if spec.driver == BRIDGE else f"dm-{network_id[:12]}")
        self._check_device(spec, device)
        record = NetworkRecord(
            network_id,
            replace(spec, pools=self._pools(spec)),
            now,
            device=device,
            owns_device=not options.device or (spec.driver == BRIDGE and not self._links.has_device_blocking(device)),
            chose4=any(pool.subnet and not is_ipv6(pool) for pool in spec.pools),
            chose6=any(is_ipv6(pool) for pool in spec.pools),
        )
        self._make(record)
        return self._shown(record)

    def remove_blocking(self, network_id: str) -> None:
        """See the contract."""
        record = self.find_record(network_id)
        name = record.spec.name
        if record.is_predefined:
            raise Denied(what=f"{name} is a pre-defined network and cannot be removed", why="")
        endpoints = self._shown(record).endpoints.values()
        if endpoints:
            active = ", ".join(f'name:"{each.container_name}" id:"{each.id[:12]}"' for each in endpoints)
            raise Denied(what=f"error while removing network: network {name} has active endpoints ({active})", why="")
        users = [other for other in self._journal.networks.values() if other.spec.config_from == name]
        if record.spec.config_only and users:
            raise Denied(what=f"configuration network {name!r} is in use", why="")
        self._journal.drop_network_blocking(record.id)
        self.refresh_blocking()
        self._links.remove_blocking(record)

    def refresh_blocking(self) -> None:
        """Bring the table to what is held now. Raises KernelError."""
        journal = self._journal
        self._tables.apply_blocking(all_elements(journal.networks, list(journal.sandboxes.values()), journal.balancers))

    def _make(self, record: NetworkRecord) -> None:
        self._journal.put_network_blocking(record)
        try:
            self._links.set_up_blocking(record)
            self.refresh_blocking()
        except (KernelError, OSError, NotFound):
            self._journal.drop_network_blocking(record.id)
            self._links.remove_blocking(record)
            self.refresh_blocking()
            raise

    def _shown(self, record: NetworkRecord) -> Network:
        endpoints = {
            sandbox.id: held.endpoint
            for sandbox in list(self._journal.sandboxes.values())
            if (held := sandbox.find(record.id)) is not None
        }
        return Network(record.id, record.spec, record.created_at, endpoints, record.is_predefined)

    def _predefined(self, network_id: str, name: str, driver: str, now: datetime) -> NetworkRecord:
        spec = NetworkSpec(name, driver)
        if driver != BRIDGE:
            return NetworkRecord(network_id, spec, now, is_predefined=True)
        options = {
            DEFAULT_BRIDGE: "true",
            ICC: "true",
            MASQUERADE: "true",
            HOST_BINDING: "0.0.0.0",
            BRIDGE_NAME: self._ground.default_bridge,
        }
        record = NetworkRecord(network_id, replace(spec, options=options), now, device=self._ground.default_bridge)
        options[MTU] = str(self._links.mtu_blocking(record))
        spec = replace(spec, options=options, pools=self._pools(spec))
        return NetworkRecord(network_id, spec, now, record.device, owns_device=True, is_predefined=True)

    def _check_name(self, spec: NetworkSpec) -> None:
        name = spec.name
        if not name.strip():
            raise Invalid(what="invalid network name: name is empty", why="")
        if name != name.strip():
            raise Invalid(what="invalid network name: leading or trailing whitespace is not allowed", why="")
        if name in _PREDEFINED or name in ("default", "container"):
            raise Denied(what=f"operation is not permitted on predefined {name} network ", why="")
        if not spec.allow_duplicate and any(record.spec.name == name for record in self._journal.networks.values()):
            raise AlreadyExists(what=f"network with name {name} already exists", why="")

    def _check_driver(self, spec: NetworkSpec) -> None:
        driver = spec.driver
        if driver in _ONLY_ONE:
            raise Denied(what=f'only one instance of "{driver}" network is allowed', why="")
        if driver in _NOT_YET:
            raise NotSupported(
                what=f"network driver {driver}", why="Maru does not have it", fix="use bridge or macvlan"
            )
        if driver not in (BRIDGE, MACVLAN):
            raise NotFound(
                what=f'could not find plugin {driver} in v1 plugin registry: plugin "{driver}" not found', why=""
            )
        if spec.ipam_driver not in ("", "default"):
            raise NotFound(
                what=f'could not find plugin {spec.ipam_driver}: plugin "{spec.ipam_driver}" not found', why=""
            )
        if spec.ingress:
            raise Denied(what="cluster-scoped network management is disabled on this node", why="")
        if not spec.enable_ipv4 and not spec.enable_ipv6:
            raise Invalid(what="IPv4 or IPv6 must be enabled", why="")

    def _check_device(self, spec: NetworkSpec, device: str) -> None:
        for other in self._journal.networks.values():
            if other.device == device:
                words = (
                    f"network {other.id[:12]} is already using parent interface {device}"
                    if spec.driver == MACVLAN
                    else f"networks have same bridge name: conflicts with network {other.id} ({other.spec.name}): "
                    f"{device}"
                )
                raise Denied(what=words, why="")

    def _with_template(self, spec: NetworkSpec) -> NetworkSpec:
        """Options and ranges of the configuration network that the spec is made from, if it is."""
        if not spec.config_from:
            return spec
        template = self.find_record(spec.config_from).spec
        if not template.config_only:
            raise Denied(what=f"network {spec.config_from!r} is not a configuration network", why="")
        if spec.pools or spec.options:
            raise Denied(
                what="user specified configurations are not supported if the network depends on a configuration "
                "network",
                why="",
            )
        return replace(
            spec,
            pools=template.pools,
            options=template.options,
            enable_ipv6=template.enable_ipv6,
            labels={**template.labels, **spec.labels},
        )

    def _pools(self, spec: NetworkSpec) -> Sequence[Pool]:
        """The spec's ranges with what was left open chosen. Raises Denied, Invalid, Unavailable."""
        four = [pool for pool in spec.pools if not is_ipv6(pool)]
        six = [pool for pool in spec.pools if is_ipv6(pool)]
        for pool in four:
            if not pool.subnet and (pool.gateway or pool.ip_range or pool.auxiliary):
                raise Invalid(what="invalid network config: a range or gateway needs its subnet", why="")
        if len(four) > 1 or len(six) > 1:
            raise Invalid(what=f"{spec.driver} driver doesn't support multiple subnets", why="")
        reserved = [ipaddress.ip_network(text) for text in self._ground.foreign]
        for record in self._journal.networks.values():
            reserved += [parsed(pool.subnet) for pool in (record.pool4, record.pool6) if pool]
        taken = self._links.taken_blocking()
        pools: list[Pool] = []
        if spec.enable_ipv4:
            pools.append(chosen(four[0] if four else Pool(), iter(self._ground.pools()), reserved, taken))
        if spec.enable_ipv6:
            pools.append(chosen(six[0] if six else Pool(), iter(self._ground.pools6()), reserved, taken))
        elif six:
            parsed(six[0].subnet)
            pools.append(six[0])
        return pools
