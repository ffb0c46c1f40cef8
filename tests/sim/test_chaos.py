"""Whatever happens on the way, a Deployment comes right; and defects do not go unnoticed."""

from __future__ import annotations

import pytest

from tests.sim.chaos import Run
from tests.sim.mutants import MUTANTS

SEEDS = range(1, 9)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_deployment_comes_right_through_faults(seed: int) -> None:
    assert await Run(seed).play() == []


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_defect_is_noticed(name: str) -> None:
    for seed in SEEDS:
        if await Run(seed, MUTANTS[name]).play():
            return
    pytest.fail(f"no seed noticed the mutant {name!r}")
