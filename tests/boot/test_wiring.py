"""Parts are put together by type, in order, and closed in reverse; what cannot be is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import ModuleType

import msgspec
import pytest

from maru.boot.wiring import opened
from maru.core.config import Config
from maru.core.errors import Broken, Invalid


class Wood:
    """What the first part gives."""


class Table:
    """What the second one makes of it."""


class Size(Config, frozen=True):
    """The second part's settings."""

    legs: int = msgspec.field(default=4)


@dataclass(frozen=True)
class NoNeeds:
    """Of the forest."""


@dataclass(frozen=True)
class GivesWood:
    wood: Wood


@dataclass(frozen=True)
class NeedsWood:
    wood: Wood
    config: Size


@dataclass(frozen=True)
class GivesTable:
    table: Table


Opening = Callable[[object], AbstractAsyncContextManager[object]]


def part(needs: type, opening: Opening) -> ModuleType:
    module = ModuleType("part")
    module.Needs = needs  # type: ignore[attr-defined]
    module.open = opening  # type: ignore[attr-defined]
    return module


def forest(seen: list[str]) -> ModuleType:
    @asynccontextmanager
    async def opening(_: object) -> AsyncIterator[GivesWood]:
        seen.append("forest opens")
        yield GivesWood(Wood())
        seen.append("forest closes")

    return part(NoNeeds, opening)


def joiner(seen: list[str], needs_seen: list[NeedsWood]) -> ModuleType:
    @asynccontextmanager
    async def opening(needs: object) -> AsyncIterator[GivesTable]:
        assert isinstance(needs, NeedsWood)
        needs_seen.append(needs)
        seen.append("joiner opens")
        yield GivesTable(Table())
        seen.append("joiner closes")

    return part(NeedsWood, opening)


async def test_needs_are_filled_by_type_and_closed_in_reverse() -> None:
    seen: list[str] = []
    needs_seen: list[NeedsWood] = []
    line = [("forest", forest(seen)), ("joiner", joiner(seen, needs_seen))]
    async with opened(line, {}, {"joiner": {"legs": 3}}) as things:
        assert isinstance(things[Table], Table)
        assert needs_seen[0].wood is things[Wood]
        assert needs_seen[0].config.legs == 3
    assert seen == ["forest opens", "joiner opens", "joiner closes", "forest closes"]


async def test_a_need_that_nothing_before_meets_is_named_and_what_was_open_is_closed() -> None:
    seen: list[str] = []
    line = [("joiner", joiner(seen, []))]
    with pytest.raises(Broken, match="Wood"):
        async with opened(line, {}, {}):
            seen.append("never")
    assert seen == []


@pytest.mark.parametrize("settings", [{"joiner": {"arms": 2}}, {"joiner": {"legs": "many"}}])
async def test_wrong_settings_are_refused_before_the_part_opens(settings: dict[str, object]) -> None:
    seen: list[str] = []
    line = [("forest", forest(seen)), ("joiner", joiner(seen, []))]
    with pytest.raises(Invalid, match="joiner"):
        async with opened(line, {}, settings):
            seen.append("never")
    assert seen == ["forest opens"] or seen == ["forest opens", "forest closes"]
    assert "joiner opens" not in seen
