"""The fake keeps the promises of the contract, so that tests on top of it mean something."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pytest

from maru.contracts.container_network import Join, PortRequest, Sandbox
from tests.fakes.container_network import FakeContainerNetwork
from tests.suites.container_network import ContainerNetworkSuite


@pytest.fixture
def network() -> FakeContainerNetwork:
    return FakeContainerNetwork()


@pytest.fixture
def sandbox() -> Callable[..., Sandbox]:
    def make(name: str, joins: Sequence[Join] = (), ports: Sequence[PortRequest] = ()) -> Sandbox:
        container_id = hashlib.sha256(name.encode()).hexdigest()
        return Sandbox(container_id, name, f"/nowhere/{name}", joins=joins, ports=ports)

    return make


class TestFakeContainerNetwork(ContainerNetworkSuite):
    """All of the suite."""
