"""The fake runtime keeps the real one's promises."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from maru.contracts.runtime import ContainerSpec
from tests.fakes.runtime import FakeRuntime
from tests.suites.runtime import RuntimeSuite, SpecOf, process


class TestFakeRuntime(RuntimeSuite):
    @pytest.fixture
    def runtime(self) -> FakeRuntime:
        return FakeRuntime()

    @pytest.fixture
    def spec_of(self) -> SpecOf:
        numbers = itertools.count(1)

        def make(*args: str, owner: str = "pods", **fields: Any) -> ContainerSpec:
            return ContainerSpec(f"{next(numbers):064x}", owner, [], {"process": process(*args)}, **fields)

        return make
