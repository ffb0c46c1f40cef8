"""Ranges of container networks: what is chosen, what is refused, and which address comes next."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from maru.boot.site_file import Told, site
from maru.components.network.config import NetworkConfig
from maru.components.network.model.container_ground import container_ground_of
from maru.components.network.model.container_options import parse_options
from maru.components.network.model.container_pools import chosen, next_address
from maru.components.network.model.ground import ground_of
from maru.contracts.container_network import Pool
from maru.core.errors import Denied, Invalid, NotSupported, Unavailable
from maru.core.site import DEFAULT_DATA_DIR

TEN = ipaddress.ip_network("10.0.0.0/8")


def pools_of(folder: Path) -> list[ipaddress.IPv4Network]:
    here = site(folder, Told("here", 0))
    return list(container_ground_of(here, ground_of(here, NetworkConfig())).pools())


def test_the_default_platform_has_dockers_ranges_and_no_other_has() -> None:
    assert [str(pool) for pool in pools_of(DEFAULT_DATA_DIR)][:2] == ["172.17.0.0/16", "172.18.0.0/16"]
    one, two = pools_of(Path("/one")), pools_of(Path("/two"))
    assert not set(one) & set(two)
    assert all(pool.subnet_of(TEN) for pool in one + two)


def test_a_range_the_machine_has_a_route_to_is_passed_over() -> None:
    candidates = iter(pools_of(DEFAULT_DATA_DIR))
    pool = chosen(Pool(), candidates, [], [ipaddress.ip_network("172.17.4.0/24")])
    assert (pool.subnet, pool.gateway) == ("172.18.0.0/16", "172.18.0.1")
    with pytest.raises(Unavailable):
        chosen(Pool(), iter(pools_of(DEFAULT_DATA_DIR)), [ipaddress.ip_network("0.0.0.0/0")], [])


@pytest.mark.parametrize(
    ("pool", "error"),
    [
        (Pool(subnet="10.1.0.0"), Invalid),
        (Pool(subnet="10.1.0.0/16", ip_range="10.2.0.0/24"), Invalid),
        (Pool(subnet="10.1.0.0/16", auxiliary={"a": "10.2.0.1"}), Invalid),
        (Pool(subnet="10.9.0.0/16"), Denied),
    ],
)
def test_a_range_that_cannot_be_is_refused(pool: Pool, error: type[Exception]) -> None:
    with pytest.raises(error):
        chosen(pool, iter(()), [ipaddress.ip_network("10.9.7.0/24")], [])


def test_addresses_come_from_the_part_that_is_for_them() -> None:
    pool = chosen(Pool(subnet="10.1.0.0/16", ip_range="10.1.5.0/30", auxiliary={"a": "10.1.5.2"}), iter(()), [], [])
    assert pool.gateway == "10.1.5.1"
    assert next_address(pool, set()) == "10.1.5.0"
    assert next_address(pool, {"10.1.5.0"}) == "10.1.5.3"
    assert next_address(pool, set(), "10.1.9.9") == "10.1.9.9"
    with pytest.raises(Denied):
        next_address(pool, set(), "10.1.5.2")


def test_ipv6_addresses_are_spelt_in_one_way() -> None:
    pool = chosen(Pool(subnet="2001:389::1/64", gateway="2001:389::ffff"), iter(()), [], [])
    assert next_address(pool, set()) == "2001:389::1"
    assert next_address(pool, set(), "2001:389:0::F00D") == "2001:389::f00d"


def test_options_are_read_and_wrong_ones_refused() -> None:
    assert parse_options("bridge", {"com.docker.network.driver.mtu": "1400"}).mtu_bytes == 1400
    assert not parse_options("bridge", {"com.docker.network.bridge.enable_icc": "false"}).icc
    assert parse_options("macvlan", {"parent": "eth0", "macvlan_mode": "private"}).macvlan_mode == 1
    for driver, name, value, error in (
        ("bridge", "com.docker.network.driver.mtu", "many", Invalid),
        ("bridge", "com.docker.network.bridge.enable_icc", "perhaps", Invalid),
        ("bridge", "com.docker.network.bridge.name", "much-too-long-a-name", Invalid),
        ("macvlan", "macvlan_mode", "odd", Invalid),
        ("macvlan", "parent", "eth0.7", NotSupported),
    ):
        with pytest.raises(error):
            parse_options(driver, {name: value})
