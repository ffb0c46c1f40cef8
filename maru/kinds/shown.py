"""A kind with columns and nothing else of its own, which most of the others build on."""

from __future__ import annotations

from collections.abc import Sequence

from maru.kinds.strategy import Column, Strategy


class Shown(Strategy):
    """A kind of which the columns are known, and whether it has a status and a generation."""

    def __init__(self, shown: Sequence[Column], *, has_status: bool = True, has_generation: bool = False) -> None:
        self.columns = shown
        self.has_status = has_status
        self.has_generation = has_generation
