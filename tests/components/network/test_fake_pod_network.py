"""The fake keeps the promises of the contract, so that tests on top of it mean something."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from maru.contracts.pod_network import Attachment, HostPort
from tests.fakes.pod_network import FakePodNetwork
from tests.suites.pod_network import PodNetworkSuite


@pytest.fixture
def network() -> FakePodNetwork:
    return FakePodNetwork()


@pytest.fixture
def small() -> FakePodNetwork:
    return FakePodNetwork(cidr="10.9.0.0/29")


@pytest.fixture
def attachment() -> Callable[..., Attachment]:
    def make(sandbox_id: str, host_ports: Sequence[HostPort] = ()) -> Attachment:
        return Attachment(sandbox_id, f"/nowhere/{sandbox_id}", "default", sandbox_id, host_ports)

    return make


class TestFakePodNetwork(PodNetworkSuite):
    """All of the suite."""
