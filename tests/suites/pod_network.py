"""What every PodNetwork promises; run by a test module that gives `network` and `attachment`.

`attachment` is a factory: (sandbox_id, host_ports) to an Attachment whose namespace exists.
`small` is a network whose range is a /29: SMALL_PODS Pods and the gateway.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from maru.contracts.pod_network import Attachment, HostPort, PodNetwork
from maru.core.errors import Conflict, Unavailable

SMALL_PODS = 5
MakeAttachment = Callable[..., Attachment]


class PodNetworkSuite:
    """Derive from this in the module that has the fixtures."""

    async def test_two_sandboxes_get_different_addresses(self, network: PodNetwork, attachment: MakeAttachment) -> None:
        one = await network.attach(attachment("one"))
        two = await network.attach(attachment("two"))
        assert one.ips[0] != two.ips[0]
        assert one.gateway == two.gateway
        assert one.gateway not in (one.ips[0], two.ips[0])

    async def test_attach_twice_gives_the_same_answer(self, network: PodNetwork, attachment: MakeAttachment) -> None:
        wanted = attachment("one")
        assert await network.attach(wanted) == await network.attach(wanted)

    async def test_a_freed_address_is_not_given_again_at_once(
        self, network: PodNetwork, attachment: MakeAttachment
    ) -> None:
        first = await network.attach(attachment("one"))
        await network.detach("one")
        second = await network.attach(attachment("two"))
        assert first.ips[0] != second.ips[0]

    async def test_detach_is_idempotent(self, network: PodNetwork, attachment: MakeAttachment) -> None:
        await network.attach(attachment("one"))
        await network.detach("one")
        await network.detach("one")
        await network.detach("never-there")

    async def test_a_taken_host_port_is_a_conflict_until_it_is_freed(
        self, network: PodNetwork, attachment: MakeAttachment
    ) -> None:
        port = HostPort(host_port=18080, container_port=80)
        await network.attach(attachment("one", host_ports=[port]))
        with pytest.raises(Conflict):
            await network.attach(attachment("two", host_ports=[port]))
        other = HostPort(host_port=18080, container_port=80, protocol="UDP")
        await network.attach(attachment("three", host_ports=[other]))
        await network.detach("one")
        await network.attach(attachment("two", host_ports=[port]))

    async def test_a_used_up_range_is_unavailable_until_one_leaves(
        self, small: PodNetwork, attachment: MakeAttachment
    ) -> None:
        for number in range(SMALL_PODS):
            await small.attach(attachment(f"pod-{number}"))
        with pytest.raises(Unavailable):
            await small.attach(attachment("late"))
        await small.detach("pod-0")
        assert (await small.attach(attachment("late"))).ips

    async def test_retain_detaches_all_others(self, small: PodNetwork, attachment: MakeAttachment) -> None:
        kept = await small.attach(attachment("pod-0"))
        for number in range(1, SMALL_PODS):
            await small.attach(attachment(f"pod-{number}"))
        await small.retain(["pod-0"])
        assert await small.attach(attachment("pod-0")) == kept
        later = {(await small.attach(attachment(f"new-{number}"))).ips[0] for number in range(SMALL_PODS - 1)}
        assert kept.ips[0] not in later
