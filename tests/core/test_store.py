"""The store in memory and on SQLite, by the common suite and by what is theirs alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from maru.core.clock import SystemClock
from maru.core.errors import Broken, Conflict, Gone, Invalid, NotFound, Throttled, Unavailable
from maru.core.limits import JOURNAL_TIDY_S, WATCH_QUEUE_MAX
from maru.core.store.engine import Engine, Write
from maru.core.store.history import History
from maru.core.store.interface import ABSENT, Change, Store
from maru.core.store.opening import open_store
from tests.fakes.clock import FakeClock
from tests.suites.store import StoreSuite, key, put


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return Engine(SystemClock())


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        async with open_store(tmp_path / "store.db", SystemClock()) as store:
            yield store


async def test_documents_and_revision_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.db"
    async with open_store(path, SystemClock()) as store:
        await store.write([put("a", size=1), put("b", "other"), put("n", "", storage="nodes")])
        await store.write([put("a", size=2)])
        version = store.version
        bodies = {d.key: d.body for name in store.storages() for d in store.list(name).documents}
    async with open_store(path, SystemClock()) as store:
        assert store.version == version
        assert {d.key: d.body for name in store.storages() for d in store.list(name).documents} == bodies
        with pytest.raises(Gone):
            store.watch("pods", since=version - 1)
        store.watch("pods", since=version).close()
        (document,) = await store.write([put("a", size=3)])
        assert document.version > version


async def test_revision_does_not_go_back_when_the_newest_change_was_a_deletion(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, SystemClock()) as store:
        await store.write([put("a")])
        await store.write([Change(key("a"), None)])
        version = store.version
    async with open_store(path, SystemClock()) as store:
        assert store.version == version
        assert store.get(key("a")) is None


async def test_write_in_line_when_the_store_closes_is_still_committed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, SystemClock()) as store:
        writing = [asyncio.ensure_future(store.write([put(str(n))])) for n in range(1000)]
        await asyncio.sleep(0)
    await asyncio.gather(*writing)
    with pytest.raises(Unavailable):
        await store.write([put("late")])
    async with open_store(path, SystemClock()) as store:
        assert store.count("pods") == 1000


async def test_file_and_its_log_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    async with open_store(tmp_path / "store.db", SystemClock()) as store:
        await store.write([put("a")])
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600}


async def test_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="folder"):
        async with open_store(tmp_path / "file" / "store.db", SystemClock()):
            pass


async def test_file_in_use_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, SystemClock()):
        with pytest.raises(Unavailable, match="maru down"):
            async with open_store(path, SystemClock()):
                pass


@pytest.mark.parametrize("at", [0, 0.5])
async def test_damaged_file_is_broken_and_says_so(tmp_path: Path, at: float) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, SystemClock()) as store:
        await store.write([put(f"{n:04}", text="x" * 500) for n in range(200)])
    content = bytearray(path.read_bytes())
    start = int(len(content) * at)
    content[start : start + 600] = b"\xaa" * 600
    path.write_bytes(content)
    with pytest.raises(Broken, match="damaged"):
        async with open_store(path, SystemClock()):
            pass


async def test_body_that_rotted_on_disk_is_broken_and_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, SystemClock()) as store:
        await store.write([put("rotten", text="abcdefgh")])
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"abcdefgi"))
    with pytest.raises(Broken, match="pods/default/rotten"):
        async with open_store(path, SystemClock()):
            pass


async def test_file_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Invalid, match="99"):
        async with open_store(path, SystemClock()):
            pass


async def test_full_disk_refuses_the_write_and_leaves_the_store_usable(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, SystemClock()) as store:
        await store.write([put("a", size=1)])
        journal: Any = store._journal
        await journal._on_thread(lambda: journal._database.execute("PRAGMA max_page_count = 40").fetchall())
        watch = store.watch("pods")
        acknowledged = ["a"]
        with pytest.raises(Unavailable, match="full"):
            for n in range(200):
                await store.write([put(f"big-{n}", text="x" * 4000)])
                acknowledged.append(f"big-{n}")
        version = store.version
        assert [d.key.name for d in store.list("pods").documents] == sorted(acknowledged)
        results = await asyncio.gather(
            *(store.write([put("more", text="y" * 90_000)]) for _ in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [Unavailable] * 3
        assert store.version == version
        await store.write([Change(key(acknowledged.pop()), None)])
        (document,) = await store.write([put("a", size=2)])
        assert document.version > version + 1
        seen: list[Any] = []
        while len(seen) < len(acknowledged) + 2:
            seen += await watch.batch(10.0)
        versions = [event.document.version for event in seen]
        assert versions == sorted(set(versions))
        watch.close()
    async with open_store(path, SystemClock()) as store:
        assert [d.key.name for d in store.list("pods").documents] == sorted(acknowledged)


async def test_file_shrinks_after_deletions_and_the_log_is_truncated(tmp_path: Path) -> None:
    path, clock = tmp_path / "store.db", FakeClock()
    log = path.with_name("store.db-wal")
    async with open_store(path, clock) as store:
        for first in range(0, 2000, 500):
            await store.write([put(str(n), text="x" * 2000) for n in range(first, first + 500)])
        await store.write([Change(key(str(n)), None) for n in range(2000)])
        large = path.stat().st_size + log.stat().st_size
        for n in range(8):
            await store.write([put("a", size=n)])
            asking = asyncio.ensure_future(clock.advance(JOURNAL_TIDY_S))
            await asking
            await store._journal._on_thread(lambda: None)  # type: ignore[union-attr]
        assert log.stat().st_size == 0
        assert path.stat().st_size < large / 10


class SlowJournal:
    """Commits when the test says so; fails when the test says so."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = asyncio.Semaphore(0)
        self.error: Exception | None = None

    async def commit(self, writes: list[Write]) -> None:
        self.batches.append(len(writes))
        await self.gate.acquire()
        if self.error is not None:
            raise self.error

    async def tidy(self) -> None:
        pass


async def test_nothing_is_visible_before_it_is_durable() -> None:
    clock, journal = FakeClock(), SlowJournal()
    store = Engine(clock, journal)  # type: ignore[arg-type]
    running = asyncio.ensure_future(store.run())
    before, watch = store.version, store.watch("pods")
    writing = [asyncio.ensure_future(store.write([put(str(n))])) for n in range(10)]
    await clock.settle()
    assert (store.version, store.count("pods"), watch.version) == (before, 0, before)
    assert not any(write.done() for write in writing)
    journal.gate.release()
    journal.gate.release()
    await asyncio.gather(*writing)
    assert store.count("pods") == 10
    assert sum(journal.batches) == 10
    assert len(journal.batches) <= 2
    watch.close()
    store.close()
    await running


async def test_refused_commit_fails_all_in_line_and_later_writes_start_from_what_is_committed() -> None:
    clock, journal = FakeClock(), SlowJournal()
    store = Engine(clock, journal)  # type: ignore[arg-type]
    running = asyncio.ensure_future(store.run())
    journal.error = Unavailable(what="disk", why="full")
    first = asyncio.ensure_future(store.write([put("a", expect=ABSENT)]))
    await clock.settle()
    second = asyncio.ensure_future(store.write([put("a", size=2)]))
    third = asyncio.ensure_future(store.write([Change(key("a"), None), put("b")]))
    await clock.settle()
    journal.gate.release()
    results = await asyncio.gather(first, second, third, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    journal.error = None
    for name in ("a", "b"):
        journal.gate.release()
        with pytest.raises(NotFound):
            await store.write([Change(key(name), None)])
    for _ in range(2):
        journal.gate.release()
    (document,) = await store.write([put("a", expect=ABSENT)])
    with pytest.raises(Conflict):
        await store.write([put("a", expect=document.version + 1)])
    store.close()
    await running


async def test_write_is_checked_against_what_is_in_line_also_while_an_earlier_one_becomes_visible() -> None:
    clock, journal = FakeClock(), SlowJournal()
    store = Engine(clock, journal)  # type: ignore[arg-type]
    running = asyncio.ensure_future(store.run())
    first = asyncio.ensure_future(store.write([put("a")]))
    await clock.settle()
    second = asyncio.ensure_future(store.write([put("a", size=2)]))
    await clock.settle()
    journal.gate.release()
    (document,) = await first
    journal.gate.release()
    journal.gate.release()
    with pytest.raises(Conflict):
        await store.write([put("a", expect=document.version, size=3)])
    await second
    store.close()
    await running


async def test_broken_journal_ends_the_store_and_tells_the_writers() -> None:
    clock, journal = FakeClock(), SlowJournal()
    store = Engine(clock, journal)  # type: ignore[arg-type]
    running = asyncio.ensure_future(store.run())
    journal.error = Broken(what="file", why="damaged")
    writing = asyncio.ensure_future(store.write([put("a")]))
    await clock.settle()
    journal.gate.release()
    with pytest.raises(Broken):
        await writing
    with pytest.raises(Broken):
        await running
    with pytest.raises(Unavailable):
        await store.write([put("a")])


async def test_damage_found_while_running_ends_the_scope_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(ExceptionGroup) as caught:
        async with open_store(path, SystemClock()) as store:
            await store.write([put("a")])
            await store._journal.tidy()  # type: ignore[union-attr]
            path.write_bytes(b"\xaa" * path.stat().st_size)
            journal: Any = store._journal
            await journal._on_thread(lambda: journal._database.execute("PRAGMA shrink_memory").fetchall())
            with pytest.raises(Broken, match="damaged"):
                await store.write([put("b", text="x" * 20_000)])
            await asyncio.Event().wait()
    assert [type(error) for error in caught.value.exceptions] == [Broken]


async def test_watch_lines_are_shared_while_they_are_news_and_not_kept_for_ever() -> None:
    store = Engine(FakeClock())
    (first,) = await store.write([put("a")])
    assert first.event_line("ADDED") is first.event_line("ADDED")
    for n in range(1000):
        await store.write([put("b", size=n)])
    assert first.event_line("ADDED") is not first.event_line("ADDED")
    assert first.event_line("ADDED") == b'{"type":"ADDED","object":' + first.body + b"}\n"


async def test_cancelled_writer_does_not_hold_up_the_others() -> None:
    clock, journal = FakeClock(), SlowJournal()
    store = Engine(clock, journal)  # type: ignore[arg-type]
    running = asyncio.ensure_future(store.run())
    writing = [asyncio.ensure_future(store.write([put(str(n))])) for n in range(3)]
    await clock.settle()
    writing[1].cancel()
    for _ in range(3):
        journal.gate.release()
    await asyncio.gather(*writing, return_exceptions=True)
    assert store.count("pods") == 3
    store.close()
    await running


async def test_line_of_writes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maru.core.store.engine.JOURNAL_QUEUE_MAX", 5)
    clock, journal = FakeClock(), SlowJournal()
    store = Engine(clock, journal)  # type: ignore[arg-type]
    writing = [asyncio.ensure_future(store.write([put(str(n))])) for n in range(6)]
    await clock.settle()
    with pytest.raises(Throttled):
        await writing[5]
    for task in writing[:5]:
        task.cancel()


async def test_watcher_that_lags_too_far_is_cut_off_and_the_others_are_not() -> None:
    store = Engine(FakeClock())
    slow, quick = store.watch("pods"), store.watch("pods")
    seen = 0
    for n in range(WATCH_QUEUE_MAX + 1):
        await store.write([put("a", size=n)])
        if n % 1000 == 0:
            seen += len(await quick.batch())
    with pytest.raises(Gone):
        await slow.batch()
    with pytest.raises(Gone):
        await slow.batch()
    seen += len(await quick.batch())
    assert seen == WATCH_QUEUE_MAX + 1


async def test_backlog_longer_than_the_queue_is_no_lag() -> None:
    store = Engine(FakeClock())
    since = store.version
    for n in range(WATCH_QUEUE_MAX + 100):
        await store.write([put("a", size=n)])
    watch = store.watch("pods", since=since)
    await store.write([put("b")])
    assert len(await watch.batch()) == WATCH_QUEUE_MAX + 101


async def test_watch_times_out_by_the_clock_it_was_given() -> None:
    clock = FakeClock()
    store = Engine(clock)
    watch = store.watch("pods")
    long = asyncio.ensure_future(watch.batch(60.0))
    await clock.advance(59.0)
    assert not long.done()
    await clock.advance(1.0)
    assert list(await long) == []
    for timeout_s in (60.0, 5.0, 20.0):
        waiting = asyncio.ensure_future(watch.batch(timeout_s))
        await clock.advance(timeout_s - 1)
        assert not waiting.done()
        await store.write([put("a")])
        assert len(await waiting) == 1
    short = asyncio.ensure_future(watch.batch(2.0))
    await clock.advance(2.0)
    assert short.done()
    assert list(await short) == []
    watch.close()
    await clock.settle()
    assert clock.sleeping == 0


async def test_history_forgets_the_oldest_over_its_bounds() -> None:
    store = Engine(FakeClock())
    store._history = History(store.version, events_max=1000, bytes_max=1_000_000)
    since = store.version
    for n in range(1500):
        await store.write([put("a" if n % 3 else "b", storage="pods" if n % 2 else "nodes", size=n)])
    with pytest.raises(Gone):
        store.watch("pods", since=since)
    watch = store.watch("pods", since=since + 500)
    assert len(await watch.batch()) == 500
    with pytest.raises(Gone):
        store.list_at("nodes", "", since + 499)
    assert len(store.list_at("nodes", "", since + 500).documents) == 2
    await store.write([put("large", text="x" * 600_000)])
    await store.write([put("large", text="y" * 600_000)])
    assert len(store._history) == 1
