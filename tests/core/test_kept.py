"""What a component writes it reads at once, and what others write it hears of."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from maru.core.document import Resource, Value
from maru.core.errors import NotFound
from maru.core.kept import Kept
from maru.core.lifecycle import background
from maru.kinds.custom import definition
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

SHELVES = Resource("test.maru.dev", "v1", "shelves", "Shelf", namespaced=True)


class ShelfSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What a shelf is."""

    wood: str
    board_count: int = 1
    label: dict[str, object] = {}
    after: tuple[str, ...] = ()


def read(value: Value) -> ShelfSpec:
    return msgspec.convert(value["spec"], ShelfSpec)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def clients(clock: FakeClock) -> FakeClients:
    return FakeClients(clock)


@pytest.fixture
async def shelves(clients: FakeClients) -> AsyncIterator[Kept[ShelfSpec]]:
    kept = Kept(clients.acting_as("joiner"), SHELVES, read, clients.clock, clients.ids)
    kept.index("wood", lambda shelf: [shelf.wood])
    async with background("test") as tasks:
        tasks.start(kept.run())
        await kept.wait_synced()
        yield kept
        tasks.cancel()


def shelf(name: str, wood: str) -> Value:
    return {"metadata": {"namespace": "hall", "name": name}, "spec": {"wood": wood}}


async def test_own_writes_are_read_at_once(shelves: Kept[ShelfSpec]) -> None:
    await shelves.create(shelf("a", "oak"))
    assert shelves.get("hall", "a") == ShelfSpec("oak")
    await shelves.patch("hall", "a", {"spec": {"wood": "ash"}})
    assert [found.wood for found in shelves.list("hall")] == ["ash"]
    assert not shelves.by_index("wood", "oak")
    assert shelves.by_index("wood", "ash") == [ShelfSpec("ash")]
    await shelves.delete("hall", "a")
    assert shelves.get("hall", "a") is None
    with pytest.raises(NotFound):
        await shelves.delete("hall", "a")


async def test_a_deleted_one_made_again_stays(shelves: Kept[ShelfSpec], clients: FakeClients, clock: FakeClock) -> None:
    for wood in ("oak", "ash", "elm"):
        await shelves.create(shelf("a", wood))
        assert shelves.get("hall", "a") == ShelfSpec(wood)
        await shelves.delete("hall", "a")
    await shelves.create(shelf("a", "fir"))
    other = clients.acting_as("other")
    await other.create(SHELVES, {"apiVersion": SHELVES.api_version, "kind": SHELVES.kind, **shelf("b", "x")})
    await clock.settle()
    assert shelves.get("hall", "b") is not None
    assert shelves.get("hall", "a") == ShelfSpec("fir")


async def test_what_others_change_is_heard(shelves: Kept[ShelfSpec], clients: FakeClients, clock: FakeClock) -> None:
    await shelves.create(shelf("a", "oak"))
    other = clients.acting_as("other")
    await other.patch(SHELVES, "hall", "a", {"spec": {"wood": "elm"}})
    await clock.settle()
    assert shelves.get("hall", "a") == ShelfSpec("elm")
    await other.delete(SHELVES, "hall", "a")
    await clock.settle()
    assert shelves.get("hall", "a") is None


async def test_one_that_cannot_be_read_is_not_there(
    shelves: Kept[ShelfSpec], clients: FakeClients, clock: FakeClock
) -> None:
    await shelves.create(shelf("a", "oak"))
    await clients.acting_as("other").patch(SHELVES, "hall", "a", {"spec": {"wood": 7}})
    await clock.settle()
    assert shelves.get("hall", "a") is None


def test_the_schema_is_that_of_the_struct() -> None:
    written = definition(SHELVES, ShelfSpec, [("Wood", ".spec.wood")])
    (version,) = written["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["required"] == ["wood"]
    assert spec["properties"]["boardCount"] == {"type": "integer"}
    assert spec["properties"]["after"] == {"type": "array", "items": {"type": "string"}}
    kept = {"x-kubernetes-preserve-unknown-fields": True}
    assert spec["properties"]["label"] == {"type": "object", "additionalProperties": kept}
    assert [column["name"] for column in version["additionalPrinterColumns"]] == ["Wood", "Age"]
