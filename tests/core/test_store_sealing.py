"""Secrets stand sealed in the store's files, whatever happens to them, and open only with their key."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maru.core.clock import SystemClock
from maru.core.document import Key
from maru.core.errors import Broken
from maru.core.identity.seal import ROOT_KEY_BYTES, RootKeySealer
from maru.core.limits import JOURNAL_TIDY_S
from maru.core.store.interface import Change, Store
from maru.core.store.opening import open_store
from maru.core.store.sealing import Sealing
from tests.fakes.clock import FakeClock
from tests.suites.store import StoreSuite, put

WORD = "open-sesame"  # in every value that must not be found


def sealing(seed: bytes = b"k", *storages: str) -> Sealing:
    sealer = RootKeySealer(seed * ROOT_KEY_BYTES)
    return Sealing(lambda _: sealer, frozenset(storages or {"secrets"}))


def secret(name: str, text: str = WORD) -> Change:
    return put(name, storage="secrets", text=text)


def place(name: str) -> Key:
    return Key("secrets", "default", name)


def found(folder: Path, word: str = WORD) -> list[str]:
    return [path.name for path in folder.iterdir() if word.encode() in path.read_bytes()]


class TestSealedStore(StoreSuite):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        async with open_store(tmp_path / "s.db", SystemClock(), sealing(b"k", "pods", "nodes")) as store:
            yield store


async def test_no_file_holds_a_secret_in_the_clear_whatever_is_done_with_it(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", FakeClock()
    async with open_store(path, clock, sealing()) as store:
        await store.write([put("seen", text="in-the-clear"), *(secret(f"{n}", WORD * 200) for n in range(50))])
        assert found(tmp_path) == [] and found(tmp_path, "in-the-clear") == ["s.db-wal"]
        for number in range(50):
            await store.write([secret(f"{number}", WORD * (number + 1))])
        await store.write([Change(place(f"{n}"), None) for n in range(40)])
        await store.compact(store.version)
        await clock.advance(JOURNAL_TIDY_S)
        await store._journal._on_thread(lambda: None)  # type: ignore[union-attr]
        await store.write([secret("last")])
        assert found(tmp_path) == []
        bodies = {d.key.name: d.body for d in store.list("secrets").documents}
        assert WORD.encode() in bodies["45"], "in memory it stands as ever"
    assert found(tmp_path) == [] and found(tmp_path, "in-the-clear") == ["s.db"]
    async with open_store(path, clock, sealing()) as store:
        assert {d.key.name: d.body for d in store.list("secrets").documents} == bodies


async def test_file_of_an_earlier_version_is_read_and_sealed_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_store(path, SystemClock()) as store:
        await store.write([secret(f"{n}", WORD * 1000) for n in range(60)])
        await store.write([Change(place(f"{n}"), None) for n in range(30)])
        version, bodies = store.version, [d.body for d in store.list("secrets").documents]
    assert found(tmp_path) == ["s.db"]
    for _ in range(2):
        async with open_store(path, SystemClock(), sealing()) as store:
            assert found(tmp_path) == []
            assert [d.body for d in store.list("secrets").documents] == bodies
            assert store.version == version
        assert found(tmp_path) == []


async def test_sealing_that_was_cut_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_store(path, SystemClock(), sealing()) as store:
        await store.write([secret("kept")])
    with sqlite3.connect(path) as database:  # rows are sealed, and what was there before is on free pages
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE before (body TEXT)")
        database.execute("INSERT INTO before VALUES (?)", (WORD * 3000,))
        database.execute("DROP TABLE before")
        database.execute("PRAGMA user_version = 2")
    database.close()
    assert found(tmp_path) == ["s.db"]
    async with open_store(path, SystemClock(), sealing()) as store:
        assert store.count("secrets") == 1
        assert found(tmp_path) == []


async def test_kind_that_is_sealed_later_is_sealed_at_that_start(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_store(path, SystemClock(), sealing()) as store:
        await store.write([put("a", text=WORD)])
    assert found(tmp_path) == ["s.db"]
    async with open_store(path, SystemClock(), sealing(b"k", "secrets", "pods")) as store:
        body = store.list("pods").documents[0].body
    assert found(tmp_path) == []
    async with open_store(path, SystemClock(), sealing(b"k", "secrets")) as store:
        assert store.list("pods").documents[0].body == body, "sealed rows open whatever is sealed from now on"


async def test_another_key_is_broken_and_names_the_document_and_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_store(path, SystemClock(), sealing()) as store:
        await store.write([secret("a")])
    before = path.read_bytes()
    with pytest.raises(Broken, match=r"secrets/default/a.*root key.*put back the root key"):
        async with open_store(path, SystemClock(), sealing(b"z")):
            pass
    with pytest.raises(Broken, match="no key was given"):
        async with open_store(path, SystemClock()):
            pass
    assert path.read_bytes() == before
    async with open_store(path, SystemClock(), sealing()) as store:
        assert store.get(place("a")) is not None


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE documents SET name = 'c' WHERE name = 'a'",
        "UPDATE documents SET version = version + 1",
        "UPDATE documents SET body = (SELECT body FROM documents WHERE name = 'b'),"
        " checksum = (SELECT checksum FROM documents WHERE name = 'b') WHERE name = 'a'",
    ],
)
async def test_body_that_was_moved_or_put_back_does_not_open(tmp_path: Path, tamper: str) -> None:
    path = tmp_path / "s.db"
    async with open_store(path, SystemClock(), sealing()) as store:
        await store.write([secret("a"), secret("b")])
    with sqlite3.connect(path) as database:
        database.execute(tamper)
    database.close()
    with pytest.raises(Broken, match="secrets/default"):
        async with open_store(path, SystemClock(), sealing()):
            pass
