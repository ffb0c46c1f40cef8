"""What `maru doctor` says of the network."""

from __future__ import annotations

from maru.components.network.engine.doctor import dropping_chains, forwarding_finding, range_finding
from maru.linux import nftables
from maru.linux.rtnetlink import Route


def test_a_firewall_that_drops_what_is_forwarded_is_named_with_the_cure() -> None:
    chains = [
        ("filter", "INPUT", nftables.INPUT, nftables.DROP),
        ("filter", "FORWARD", nftables.FORWARD, nftables.DROP),
        ("maru-maru", "refuse-forward", nftables.FORWARD, nftables.ACCEPT),
    ]
    finding = forwarding_finding(dropping_chains(chains), "maru0")
    assert not finding.is_well
    assert "nft insert rule ip filter FORWARD iifname maru0 accept" in finding.fix
    assert forwarding_finding(dropping_chains(chains[::2]), "maru0").is_well


def test_a_range_the_machine_already_reaches_is_named() -> None:
    routes = [Route("0.0.0.0/0", 2, "192.0.2.1", protocol=3), Route("10.244.3.0/24", 2, protocol=2)]
    assert not range_finding("Pod addresses", "10.244.0.0/16", routes, own_device=7).is_well
    assert range_finding("Pod addresses", "10.96.0.0/16", routes, own_device=7).is_well
    assert range_finding("Pod addresses", "10.244.0.0/16", routes, own_device=2).is_well
