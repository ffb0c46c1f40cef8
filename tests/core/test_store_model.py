"""The store against a model: random writes, restarts, compactions and watches, compared after each step."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from maru.core.clock import SystemClock
from maru.core.document import Key
from maru.core.errors import AlreadyExists, Conflict, Gone, NotFound
from maru.core.store.engine import Engine
from maru.core.store.interface import ABSENT, Change, Watch
from maru.core.store.opening import open_store

STORAGES = ("nodes", "pods")
NAMES = st.sampled_from(["a", "b", "c"])
KEYS = st.builds(Key, st.sampled_from(STORAGES), st.sampled_from(["x", "y"]), NAMES)
State = dict[Key, tuple[int, int]]  # key to (version, size)


class StoreMachine(RuleBasedStateMachine):
    """`now` is what must be there; `past` what was there after each revision that is still kept."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.db"
        self.now: State = {}
        self.past: dict[int, State] = {}
        self.watches: list[tuple[Watch, str, State]] = []
        self.open()

    def open(self) -> None:
        self.stack = AsyncExitStack()
        self.store: Engine = self.runner.run(self.stack.enter_async_context(open_store(self.path, SystemClock())))
        self.past = {self.store.version: dict(self.now)}

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    @rule(
        changes=st.lists(
            st.tuples(KEYS, st.sampled_from(["put", "delete"]), st.sampled_from(["any", "absent", "current", "old"])),
            min_size=1,
            max_size=4,
        ),
        size=st.integers(0, 9),
    )
    def write(self, changes: list[tuple[Key, str, str]], size: int) -> None:
        state, wire, want, version = dict(self.now), [], None, self.store.version
        states: list[State] = []
        for key, verb, expect in changes:
            have = state.get(key)
            expected = {"any": None, "absent": ABSENT, "current": have[0] if have else 77, "old": 1}[expect]
            wire.append(Change(key, value(key, size) if verb == "put" else None, expected))
            want = want or refusal(verb, expected, have)
            version += 1
            if verb == "put":
                state[key] = (version, size)
            else:
                state.pop(key, None)
            states.append(dict(state))
        try:
            documents = self.runner.run(self.store.write(wire))
        except (AlreadyExists, Conflict, NotFound) as error:
            assert type(error) is want
            return
        assert want is None
        first = documents[0].version
        shift = first - (version - len(changes) + 1)
        for step, made in enumerate(states):
            new = {k: (v + shift if v > version - len(changes) else v, s) for k, (v, s) in made.items()}
            self.past[first + step] = new
            self.now = new

    @rule()
    def restart(self) -> None:
        version = self.store.version
        self.runner.run(self.stack.aclose())
        self.watches.clear()
        self.open()
        assert self.store.version == version

    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(sorted(self.past)))
        self.runner.run(self.store.compact(version))
        for old in [old for old in self.past if old < version]:
            del self.past[old]
            try:
                self.store.list_at("pods", "", old)
            except Gone:
                continue
            raise AssertionError("a compacted revision can still be listed")

    @precondition(lambda self: len(self.watches) < 4)
    @rule(data=st.data(), storage=st.sampled_from(STORAGES))
    def watch(self, data: st.DataObject, storage: str) -> None:
        version = data.draw(st.sampled_from(sorted(self.past)))
        seen = {key: at for key, at in self.past[version].items() if key.storage == storage}
        self.watches.append((self.runner.run(self._watch(storage, version)), storage, seen))

    @rule()
    def read_watches(self) -> None:
        for watch, storage, seen in self.watches:
            self.runner.run(self._follow(watch, seen))
            assert seen == {key: at for key, at in self.now.items() if key.storage == storage}
            assert watch.version == self.store.version

    @rule()
    def list_the_past(self) -> None:
        for version, past in self.past.items():
            for storage in STORAGES:
                documents = self.store.list_at(storage, "x", version).documents
                want = sorted(key for key in past if (key.storage, key.namespace) == (storage, "x"))
                assert [document.key for document in documents] == want
                found = {d.key: (d.version, d.value["spec"]["size"]) for d in documents}
                assert found == {key: past[key] for key in want}

    @invariant()
    def current_is_as_the_model_says(self) -> None:
        found: State = {}
        for storage in STORAGES:
            documents = self.store.list(storage).documents
            assert [document.key for document in documents] == sorted(document.key for document in documents)
            assert self.store.count(storage) == len(documents)
            found |= {document.key: (document.version, document.value["spec"]["size"]) for document in documents}
        assert found == self.now
        assert self.store.version == max(self.past)

    async def _watch(self, storage: str, version: int) -> Watch:
        return self.store.watch(storage, since=version)

    async def _follow(self, watch: Watch, seen: State) -> None:
        while events := await watch.batch(0.001):
            for event in events:
                key, before = event.document.key, seen.get(event.document.key)
                assert (event.previous.version if event.previous else None) == (before[0] if before else None)
                if event.kind == "DELETED":
                    del seen[key]
                else:
                    assert (event.kind == "ADDED") == (before is None)
                    seen[key] = (event.document.version, event.document.value["spec"]["size"])


def value(key: Key, size: int) -> dict[str, Any]:
    return {"metadata": {"name": key.name, "namespace": key.namespace}, "spec": {"size": size}}


def refusal(verb: str, expect: int | None, have: tuple[int, int] | None) -> type[Exception] | None:
    if expect == ABSENT and have is not None:
        return AlreadyExists
    if have is None:
        return NotFound if verb == "delete" or expect not in (None, ABSENT) else None
    return Conflict if expect not in (None, have[0]) else None


StoreMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStoreModel = StoreMachine.TestCase
