"""The list of strategies, one line per kind that has one."""

from __future__ import annotations

from maru.kinds.strategy import StrategyTable


def strategies() -> StrategyTable:
    """All kinds with behaviour of their own."""
    return StrategyTable()
