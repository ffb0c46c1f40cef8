"""What every store backend promises, as tests: a backend's test module derives `StoreSuite`.

The subclass gives a fixture `store` that yields an open, empty store.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from maru.core.document import Key
from maru.core.errors import AlreadyExists, Conflict, Gone, Invalid, NotFound, TooLarge
from maru.core.limits import DOCUMENT_BYTES_MAX
from maru.core.store.interface import ABSENT, Change, Store


def key(name: str, namespace: str = "default", storage: str = "pods") -> Key:
    return Key(storage, namespace, name)


def value(name: str, namespace: str = "default", **spec: object) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def put(
    name: str, namespace: str = "default", expect: int | None = None, storage: str = "pods", **spec: object
) -> Change:
    return Change(key(name, namespace, storage), value(name, namespace, **spec), expect)


class StoreSuite:
    async def test_written_document_is_read_back_with_its_version(self, store: Store) -> None:
        (document,) = await store.write([put("a", size=1)])
        found = store.get(key("a"))
        assert found is document
        assert found.version == store.version
        assert found.value == {
            **value("a", size=1),
            "metadata": {**value("a")["metadata"], "resourceVersion": str(found.version)},
        }

    async def test_absent_document_reads_as_none(self, store: Store) -> None:
        assert store.get(key("a")) is None
        assert list(store.list("pods").documents) == []
        assert store.count("pods") == 0
        assert list(store.storages()) == []

    async def test_version_is_positive_and_each_change_gets_a_greater_one(self, store: Store) -> None:
        before = store.version
        assert before > 0
        documents = await store.write([put("b"), put("a"), put("b", size=2)])
        versions = [document.version for document in documents]
        assert versions == sorted(set(versions))
        assert versions[0] > before
        assert store.version == versions[-1]

    async def test_list_is_ascending_by_namespace_then_name(self, store: Store) -> None:
        names = [("b", "x"), ("a", "z"), ("a", "B"), ("b", "é"), ("a", "a"), ("c", "-")]
        await store.write([put(name, namespace) for namespace, name in names])
        await store.write([put("1", "", storage="nodes")])
        assert [(d.key.namespace, d.key.name) for d in store.list("pods").documents] == sorted(names)
        assert [d.key.name for d in store.list("pods", "a").documents] == ["B", "a", "z"]
        assert list(store.list("pods", "nowhere").documents) == []
        assert store.count("pods") == len(names)
        assert list(store.storages()) == ["nodes", "pods"]

    async def test_listing_is_not_changed_by_later_writes(self, store: Store) -> None:
        await store.write([put("a"), put("b")])
        listing = store.list("pods")
        await store.write([put("c"), Change(key("a"), None), put("b", size=2)])
        assert [d.key.name for d in listing.documents] == ["a", "b"]
        assert listing.documents[1].value["spec"] == {}
        assert [d.key.name for d in store.list("pods").documents] == ["b", "c"]

    async def test_create_of_what_is_there_is_refused(self, store: Store) -> None:
        await store.write([put("a", expect=ABSENT)])
        with pytest.raises(AlreadyExists):
            await store.write([put("a", expect=ABSENT)])

    async def test_write_on_top_of_an_old_version_is_a_conflict(self, store: Store) -> None:
        (first,) = await store.write([put("a")])
        await store.write([put("a", expect=first.version, size=2)])
        with pytest.raises(Conflict):
            await store.write([put("a", expect=first.version, size=3)])
        with pytest.raises(Conflict):
            await store.write([Change(key("a"), None, first.version)])
        document = store.get(key("a"))
        assert document is not None
        assert document.value["spec"] == {"size": 2}

    async def test_update_and_delete_of_what_is_not_there_are_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.write([put("a", expect=7)])
        with pytest.raises(NotFound):
            await store.write([Change(key("a"), None)])
        with pytest.raises(NotFound):
            await store.write([Change(key("a"), None, 7)])

    async def test_one_refused_change_refuses_all(self, store: Store) -> None:
        await store.write([put("a", size=1)])
        before = store.version
        with pytest.raises(AlreadyExists):
            await store.write([put("b"), put("a", size=2), put("b", expect=ABSENT)])
        assert store.version == before
        assert store.get(key("b")) is None
        await store.write([put("b", expect=ABSENT)])

    async def test_changes_in_one_write_see_those_before_them(self, store: Store) -> None:
        await store.write([put("a", expect=ABSENT), Change(key("a"), None), put("a", expect=ABSENT, size=2)])
        document = store.get(key("a"))
        assert document is not None
        assert document.value["spec"] == {"size": 2}

    async def test_of_writers_at_once_on_one_version_exactly_one_wins(self, store: Store) -> None:
        (first,) = await store.write([put("a")])
        results = await asyncio.gather(
            *(store.write([put("a", expect=first.version, size=n)]) for n in range(20)), return_exceptions=True
        )
        winners = [result for result in results if not isinstance(result, BaseException)]
        assert len(winners) == 1
        assert all(isinstance(result, Conflict) for result in results if isinstance(result, BaseException))
        assert store.get(key("a")) is winners[0][0]

    async def test_of_creators_at_once_exactly_one_wins(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.write([put("a", expect=ABSENT, size=n)]) for n in range(20)), return_exceptions=True
        )
        assert sum(isinstance(result, AlreadyExists) for result in results) == 19

    async def test_deletes_and_creates_in_line_are_checked_in_order(self, store: Store) -> None:
        await store.write([put("a")])
        work = [
            store.write([Change(key("a"), None)]),
            store.write([put("a", expect=ABSENT, size=1)]),
            store.write([Change(key("a"), None)]),
            store.write([Change(key("a"), None)]),
            store.write([put("a", expect=ABSENT, size=2)]),
        ]
        results = await asyncio.gather(*work, return_exceptions=True)
        assert [isinstance(result, BaseException) for result in results] == [False, False, False, True, False]
        assert isinstance(results[3], NotFound)

    async def test_too_large_document_is_refused(self, store: Store) -> None:
        with pytest.raises(TooLarge):
            await store.write([put("a", text="x" * DOCUMENT_BYTES_MAX)])
        assert store.get(key("a")) is None

    async def test_empty_write_changes_nothing(self, store: Store) -> None:
        before = store.version
        assert list(await store.write([])) == []
        assert store.version == before

    async def test_watch_shows_each_change_in_order_with_what_stood_before(self, store: Store) -> None:
        watch = store.watch("pods")
        (first,) = await store.write([put("a", size=1)])
        (second,) = await store.write([put("a", size=2)])
        (third,) = await store.write([Change(key("a"), None)])
        events = await self._events(watch, 3)
        assert [event.kind for event in events] == ["ADDED", "MODIFIED", "DELETED"]
        assert [event.document.version for event in events] == [first.version, second.version, third.version]
        assert events[0].previous is None
        assert [event.previous and event.previous.version for event in events[1:]] == [first.version, second.version]
        assert events[2].document.value["spec"] == {"size": 2}
        assert events[2].document.metadata["resourceVersion"] == str(third.version)
        watch.close()

    async def test_deletion_shows_the_last_value_it_was_given(self, store: Store) -> None:
        await store.write([put("a", size=1)])
        watch = store.watch("pods")
        await store.write([Change(key("a"), None, last=value("a", size=9))])
        (event,) = await self._events(watch, 1)
        assert event.document.value["spec"] == {"size": 9}
        assert event.document.metadata["resourceVersion"] == str(store.version)
        assert event.previous is not None
        assert event.previous.value["spec"] == {"size": 1}
        watch.close()

    async def test_watch_sees_only_its_kind_and_namespace(self, store: Store) -> None:
        everywhere, here = store.watch("pods"), store.watch("pods", "here")
        await store.write([put("a", "here"), put("a", "there"), put("n", "", storage="nodes"), put("b", "here")])
        assert [e.document.key.name for e in await self._events(here, 2)] == ["a", "b"]
        assert [e.document.key.namespace for e in await self._events(everywhere, 3)] == ["here", "there", "here"]
        assert list(await here.batch(0.01)) == []
        everywhere.close()
        here.close()

    async def test_watch_from_a_past_revision_replays_what_came_after_it(self, store: Store) -> None:
        documents = await store.write([put(str(n)) for n in range(5)])
        watch = store.watch("pods", since=documents[1].version)
        await store.write([put("5")])
        events = await self._events(watch, 4)
        assert [e.document.key.name for e in events] == ["2", "3", "4", "5"]
        watch.close()

    async def test_change_is_seen_by_readers_once_it_is_seen_by_watchers(self, store: Store) -> None:
        watch = store.watch("pods")

        async def reader() -> None:
            seen = 0
            while seen < 50:
                for event in await watch.batch(10.0):
                    found = store.get(event.document.key)
                    assert found is not None
                    assert found.version >= event.document.version
                    assert store.version >= event.document.version
                    seen += 1

        await asyncio.gather(reader(), *(store.write([put(f"{n % 7}", size=n)]) for n in range(50)))
        watch.close()

    async def test_watch_version_covers_all_that_was_handed_out_and_no_more(self, store: Store) -> None:
        watch = store.watch("pods")
        assert watch.version == store.version
        await store.write([put("n", "", storage="nodes")])
        assert watch.version == store.version
        before = watch.version
        await store.write([put("a")])
        assert before <= watch.version < store.version
        await self._events(watch, 1)
        assert watch.version == store.version
        watch.close()

    async def test_watch_times_out_empty_and_goes_on(self, store: Store) -> None:
        watch = store.watch("pods")
        assert list(await watch.batch(0.01)) == []
        await store.write([put("a")])
        assert len(await watch.batch(10.0)) == 1
        assert list(await watch.batch(0.01)) == []
        watch.close()

    async def test_closed_watch_answers_empty(self, store: Store) -> None:
        watch = store.watch("pods")
        pending = asyncio.ensure_future(watch.batch(None))
        await asyncio.sleep(0)
        watch.close()
        watch.close()
        assert list(await pending) == []
        await store.write([put("a")])
        assert list(await watch.batch(None)) == []

    async def test_watch_from_the_future_is_invalid(self, store: Store) -> None:
        with pytest.raises(Invalid):
            store.watch("pods", since=store.version + 1)

    async def test_past_listing_shows_what_was_there(self, store: Store) -> None:
        await store.write([put("a", size=1), put("b", size=1), put("x", "other")])
        then = store.version
        await store.write([put("a", size=2), Change(key("b"), None), put("c")])
        await store.write([put("b", size=3), Change(key("a"), None)])
        for namespace, want in (("", [("a", 1), ("b", 1), ("x", None)]), ("default", [("a", 1), ("b", 1)])):
            listing = store.list_at("pods", namespace, then)
            assert listing.version == then
            assert [(d.key.name, d.value["spec"].get("size")) for d in listing.documents] == want

    async def test_past_before_compaction_is_gone_and_documents_stay(self, store: Store) -> None:
        (first,) = await store.write([put("a")])
        await store.write([put("a", size=2), put("b")])
        now = store.version
        await store.compact(now)
        with pytest.raises(Gone):
            store.watch("pods", since=first.version)
        with pytest.raises(Gone):
            store.list_at("pods", "", first.version)
        assert store.count("pods") == 2
        assert len(store.list_at("pods", "", now).documents) == 2
        store.watch("pods", since=now).close()

    async def _events(self, watch: Any, count: int) -> list[Any]:
        events: list[Any] = []
        while len(events) < count:
            batch = await watch.batch(10.0)
            assert batch, f"{len(events)} of {count} events came"
            events += batch
        assert len(events) == count
        return events
