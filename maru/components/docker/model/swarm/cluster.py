"""The swarm itself: its specification, and what a node says of itself.

Source: Docker Engine API v1.50, SwarmSpec, SwarmInitRequest, NodeDescription; moby/swarmkit, manager defaults.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.model.host_config import LOG_DRIVERS, Facts
from maru.components.docker.model.swarm.entries import without_nulls
from maru.components.docker.model.swarm.specs import refused
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported

PORT, DATA_PORT = 2377, 4789
POOLS, SUBNET_SIZE = ("10.0.0.0/8",), 24
AVAILABILITIES = ("active", "pause", "drain")
_DEFAULTS: Value = {
    "Name": "default",
    "Labels": {},
    "Orchestration": {"TaskHistoryRetentionLimit": 5},
    "Raft": {
        "SnapshotInterval": 10000,
        "KeepOldSnapshots": 0,
        "LogEntriesForSlowFollowers": 500,
        "ElectionTick": 10,
        "HeartbeatTick": 1,
    },
    "Dispatcher": {"HeartbeatPeriod": 5_000_000_000},
    "CAConfig": {"NodeCertExpiry": 7_776_000_000_000_000},
    "TaskDefaults": {},
    "EncryptionConfig": {"AutoLockManagers": False},
}


@dataclass(frozen=True, slots=True)
class Wish:
    """An init request, checked. address: of this node, without a port; listen: address:port."""

    address: str
    listen: str
    spec: Value
    availability: str
    pools: Sequence[str]
    subnet_size: int
    data_path_port: int
    forces_new_cluster: bool


def read_wish(body: Value, addresses: Sequence[tuple[str, str]]) -> Wish:
    """addresses: (device, address) of the machine. Raises Invalid, NotSupported."""
    listen = str(body.get("ListenAddr") or f"0.0.0.0:{PORT}")
    availability = str(body.get("Availability") or "active")
    if availability not in AVAILABILITIES:
        raise Invalid(what=f'invalid availability: "{availability}"', why="")
    size = int(body.get("SubnetSize") or 0)
    pools = [str(each) for each in body.get("DefaultAddrPool") or ()]
    _check_pools(pools, size)
    port = int(body.get("DataPathPort") or DATA_PORT)
    if not 1024 <= port <= 49151:
        raise refused("Invalid data path port: expected a value between 1024 and 49151")
    spec = merged_spec(_DEFAULTS, body.get("Spec") or {})
    if body.get("AutoLockManagers"):
        spec["EncryptionConfig"] = {"AutoLockManagers": True}
    return Wish(
        address=_address(str(body.get("AdvertiseAddr") or ""), listen, addresses),
        listen=listen,
        spec=spec,
        availability=availability,
        pools=pools or POOLS,
        subnet_size=size or SUBNET_SIZE,
        data_path_port=port,
        forces_new_cluster=bool(body.get("ForceNewCluster")),
    )


def merged_spec(before: Value, given: Value) -> Value:
    """What a request says, over what was there. Raises Invalid, NotSupported."""
    asked = without_nulls(given)
    assert isinstance(asked, dict)
    authority = asked.get("CAConfig") or {}
    if authority.get("ExternalCAs") or authority.get("SigningCACert") or authority.get("SigningCAKey"):
        raise NotSupported(what="a certificate authority of one's own is not supported by Maru", why="")
    name = str(asked.get("Name") or before["Name"])
    if name != "default":
        raise refused('swarm spec must be named "default"')
    merged: Value = {**before, "Name": name}
    if asked.get("Labels") is not None:
        merged["Labels"] = asked["Labels"]
    for part in ("Orchestration", "Raft", "Dispatcher", "CAConfig", "TaskDefaults"):
        changes = {key: value for key, value in (asked.get(part) or {}).items() if value or key == "ForceRotate"}
        if "TaskHistoryRetentionLimit" in (asked.get(part) or {}):
            changes["TaskHistoryRetentionLimit"] = asked[part]["TaskHistoryRetentionLimit"]
        merged[part] = {**before[part], **changes}
    lock = (asked.get("EncryptionConfig") or {}).get("AutoLockManagers")
    merged["EncryptionConfig"] = {"AutoLockManagers": bool(lock)}
    return merged


def node_status(address: str) -> Value:
    """How the only manager stands."""
    return {
        "Status": {"State": "ready", "Addr": address},
        "ManagerStatus": {"Leader": True, "Reachability": "reachable", "Addr": f"{address}:{PORT}"},
    }


def node_description(facts: Facts, hostname: str, version: str) -> Value:
    """What the node is."""
    plugins = [("Log", name) for name in sorted(LOG_DRIVERS)]
    plugins += [("Network", name) for name in ("bridge", "host", "macvlan", "null", "overlay")] + [("Volume", "local")]
    return {
        "Hostname": hostname,
        "Platform": {"Architecture": os.uname().machine, "OS": "linux"},
        "Resources": {"NanoCPUs": facts.cpus * 1_000_000_000, "MemoryBytes": facts.memory_bytes},
        "Engine": {"EngineVersion": version, "Plugins": [{"Type": kind, "Name": name} for kind, name in plugins]},
    }


def read_node_spec(body: Value, before: Value) -> Value:
    """Of an update of a node. Raises Invalid."""
    given = without_nulls(body)
    assert isinstance(given, dict)
    if given.get("Availability") not in AVAILABILITIES:
        raise Invalid(what=f'invalid Availability: "{given.get("Availability") or ""}"', why="")
    if given.get("Role") not in ("manager", "worker"):
        raise Invalid(what=f'invalid Role: "{given.get("Role") or ""}"', why="")
    if before.get("Role") == "manager" and given["Role"] == "worker":
        raise refused("attempting to demote the last manager of the swarm", "FailedPrecondition")
    return given


def _address(advertised: str, listen: str, addresses: Sequence[tuple[str, str]]) -> str:
    """Raises Invalid."""
    host = _host(advertised) or _host(listen)
    if host in ("", "0.0.0.0", "::", "[::]"):
        outside = [address for _, address in addresses if not address.startswith("127.")]
        return outside[0] if outside else "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    on_device = [address for device, address in addresses if device == host]
    if not on_device:
        words = "advertise address must be a non-zero IP address or network interface (with optional port number)"
        raise Invalid(what=words if advertised else f"invalid ListenAddr: {listen}", why="")
    return on_device[0]


def _host(text: str) -> str:
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def _check_pools(pools: Sequence[str], size: int) -> None:
    for pool in pools:
        try:
            network = ipaddress.IPv4Network(pool)
        except ValueError as error:
            raise refused(f"invalid CIDR address: {pool}") from error
        if network.prefixlen > (size or SUBNET_SIZE):
            raise refused(f"Invalid default-address-pool: {pool} is smaller than subnet size {size or SUBNET_SIZE}")
    if size and not 0 < size < 30:
        raise refused("invalid subnet size: must be between 1 and 29")
