"""Informers: the copy is complete, ordered, and comes back whatever breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from maru.core.client import DeleteOptions
from maru.core.document import Document
from maru.core.errors import Gone, Unavailable
from maru.core.ids import SeededIds
from maru.core.informer import Informer, Informers
from maru.kinds.resources import NODES, PODS
from tests.fakes import FakeClients, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def api(clock: FakeClock) -> FakeClients:
    return FakeClients(clock)


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def pod(name: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": {"nodeName": ""}}


def informer_of(api: FakeClients, clock: FakeClock, **selectors: str) -> Informer:
    return Informer(api.acting_as("test"), PODS, clock, SeededIds(1), **selectors)


def names(documents: Iterable[Document]) -> list[str]:
    return sorted(document.key.name for document in documents)


async def test_copy_follows_creates_changes_and_deletions(api: FakeClients, clock: FakeClock) -> None:
    client, informer = api.acting_as("test"), informer_of(api, clock)
    await client.create(PODS, pod("a"))
    seen: list[tuple[str, str]] = []
    informer.on_change(lambda new, old: seen.append(_said(new, old)))
    async with running(informer.run()):
        await informer.wait_synced()
        await client.create(PODS, pod("b", "other"))
        await client.patch(PODS, "default", "a", {"spec": {"x": 1}})
        await client.delete(PODS, "default", "a")
        await clock.settle()
        assert names(informer.list()) == ["b"]
        assert names(informer.list("other")) == ["b"]
        assert names(informer.list("default")) == []
        assert informer.get("default", "a") is None
        assert seen == [("added", "a"), ("added", "b"), ("changed", "a"), ("gone", "a")]


async def test_late_handler_hears_of_what_is_there(api: FakeClients, clock: FakeClock) -> None:
    informer = informer_of(api, clock)
    await api.put(PODS, pod("a"))
    async with running(informer.run()):
        await informer.wait_synced()
        seen: list[tuple[str, str]] = []
        informer.on_change(lambda new, old: seen.append(_said(new, old)))
        assert seen == [("added", "a")]


async def test_selectors_narrow_the_copy_and_leaving_them_is_a_deletion(api: FakeClients, clock: FakeClock) -> None:
    client, informer = api.acting_as("test"), informer_of(api, clock, labels="app=web", fields="spec.nodeName=")
    await client.create(PODS, pod("a", app="web"))
    await client.create(PODS, pod("b", app="other"))
    async with running(informer.run()):
        await informer.wait_synced()
        assert names(informer.list()) == ["a"]
        await client.patch(PODS, "default", "b", {"metadata": {"labels": {"app": "web"}}})
        await client.patch(PODS, "default", "a", {"spec": {"nodeName": "n1"}})
        await clock.settle()
        assert names(informer.list()) == ["b"]


async def test_index_follows_and_forgets(api: FakeClients, clock: FakeClock) -> None:
    client, informer = api.acting_as("test"), informer_of(api, clock)
    await client.create(PODS, pod("a", app="web"))
    informer.index("app", lambda document: document.metadata.get("labels", {}).values())
    async with running(informer.run()):
        await informer.wait_synced()
        await client.create(PODS, pod("b", app="web"))
        await clock.settle()
        assert [d.key.name for d in informer.by_index("app", "web")] == ["a", "b"]
        await client.patch(PODS, "default", "a", {"metadata": {"labels": {"app": "db"}}})
        await client.delete(PODS, "default", "b")
        await clock.settle()
        assert list(informer.by_index("app", "web")) == []
        assert names(informer.by_index("app", "db")) == ["a"]
        informer.index("late", lambda document: [document.key.namespace])
        assert names(informer.by_index("late", "default")) == ["a"]


async def test_unreachable_api_is_tried_again_with_growing_delay(api: FakeClients, clock: FakeClock) -> None:
    await api.put(PODS, pod("a"))
    api.fail_next(*(Unavailable(what="api", why="down") for _ in range(5)))
    informer = informer_of(api, clock)
    async with running(informer.run()):
        await clock.settle()
        assert not informer.is_synced
        await clock.advance(0.3)
        assert not informer.is_synced
        await clock.advance(4.0)
        assert informer.is_synced
        assert names(informer.list()) == ["a"]


async def test_changes_while_the_watch_was_gone_are_found_by_listing(api: FakeClients, clock: FakeClock) -> None:
    informer = informer_of(api, clock)
    for name in ("kept", "changed", "deleted", "replaced"):
        await api.put(PODS, pod(name))
    async with running(informer.run()):
        await informer.wait_synced()
        await clock.settle()
        seen: list[tuple[str, str]] = []
        informer.on_change(lambda new, old: seen.append(_said(new, old)))
        seen.clear()
        for watch in list(api.store._watches["pods"]):
            watch.push([])
            watch._lagged_at = 1
            watch._wake()
        await api.put(PODS, {**pod("changed"), "spec": {"x": 1}, "metadata": _metadata(api, "changed")})
        await api.remove(PODS, "default", "deleted")
        await api.remove(PODS, "default", "replaced")
        await api.put(PODS, pod("replaced"))
        await api.put(PODS, pod("new"))
        await clock.advance(1.0)
        assert sorted(seen) == sorted(
            [("changed", "changed"), ("gone", "deleted"), ("gone", "replaced"), ("added", "replaced"), ("added", "new")]
        )


async def test_watch_refused_as_gone_for_ever_does_not_spin(api: FakeClients, clock: FakeClock) -> None:
    informer = informer_of(api, clock)
    calls = 0

    @asynccontextmanager
    async def refuse(*_: object, **__: object) -> AsyncIterator[None]:
        nonlocal calls
        calls += 1
        raise Gone(what="revision", why="too old")
        yield

    informer._client.watch = refuse  # type: ignore[method-assign,assignment]
    async with running(informer.run()):
        await clock.advance(10.0)
        assert 1 < calls < 20


async def test_watch_that_ends_at_once_does_not_spin(api: FakeClients, clock: FakeClock) -> None:
    informer = informer_of(api, clock)
    calls = 0

    @asynccontextmanager
    async def end(*_: object, **__: object) -> AsyncIterator[AsyncIterator[Any]]:
        nonlocal calls
        calls += 1

        async def nothing() -> AsyncIterator[Any]:
            return
            yield

        yield nothing()

    informer._client.watch = end  # type: ignore[method-assign]
    async with running(informer.run()):
        await clock.advance(10.0)
        assert 10 < calls < 500


async def test_informers_are_shared_and_started_also_when_asked_for_late(api: FakeClients, clock: FakeClock) -> None:
    informers = Informers(api.acting_as("test"), clock, SeededIds(1))
    pods = informers.of(PODS)
    assert informers.of(PODS) is pods
    assert informers.of(PODS, labels="a=b") is not pods
    async with running(informers.run()):
        await informers.wait_synced()
        nodes = informers.of(NODES)
        await api.put(NODES, {"metadata": {"name": "n1"}})
        await informers.wait_synced()
        await clock.settle()
        assert names(nodes.list()) == ["n1"]
        assert nodes.get("", "n1") is not None


async def test_deletion_shows_the_last_state(api: FakeClients, clock: FakeClock) -> None:
    client, informer = api.acting_as("test"), informer_of(api, clock)
    await api.put(PODS, {**pod("a"), "spec": {"nodeName": "n1"}})
    last: list[Document | None] = []
    async with running(informer.run()):
        await informer.wait_synced()
        await client.delete(PODS, "default", "a")
        await clock.settle()
        document = informer.get("default", "a")
        assert document is not None
        assert document.metadata["deletionGracePeriodSeconds"] == 30
        informer.on_change(lambda new, old: last.append(old) if new is None else None)
        await client.delete(PODS, "default", "a", DeleteOptions(grace_period_s=0))
        await clock.settle()
    assert [document and document.value["spec"] for document in last] == [{"nodeName": "n1"}]


def _metadata(api: FakeClients, name: str) -> dict[str, Any]:
    value = api.find(PODS, "default", name)
    assert value is not None
    metadata: dict[str, Any] = value["metadata"]
    return metadata


def _said(new: Document | None, old: Document | None) -> tuple[str, str]:
    if new is None:
        assert old is not None
        return "gone", old.key.name
    return ("added" if old is None else "changed"), new.key.name
