"""Snapshots in repositories of type fs: each index as its definition and one Parquet file of its documents.

`index.json` in a repository lists its snapshots and is replaced whole, after what it names is on disk. Global state
is not kept. Source: Elasticsearch reference, "Snapshot and restore APIs".
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from maru.components.search.controllers.index import Index
from maru.components.search.controllers.indices import Indices
from maru.components.search.controllers.shelves import Shelf
from maru.components.search.controllers.writing import Writing
from maru.components.search.engine.cold import documents_blocking, freeze_blocking
from maru.components.search.engine.shard import Shard
from maru.components.search.errors import failure
from maru.components.search.model.version import INDEX_VERSION, VERSION
from maru.core.errors import MaruError
from maru.core.ids import Ids
from maru.wire.elastic.dates import iso
from maru.wire.elastic.json import Object, decode, encode

LIST = "index.json"
SNAPSHOTS_MAX = 500


class Snapshots:
    """All repositories. root: where relative locations lie; allowed: folders elsewhere that may hold some."""

    def __init__(self, shelf: Shelf, indices: Indices, writing: Writing, ids: Ids, places: tuple[Path, str]) -> None:
        self.shelf = shelf
        self._indices = indices
        self._writing = writing
        self._ids = ids
        self._root, allowed = places
        self._allowed = [Path(one.strip()).resolve() for one in allowed.split(",") if one.strip()]
        self._running: dict[tuple[str, str], Object] = {}
        self._changing = asyncio.Lock()

    async def put(self, name: str, spec: Object, *, is_verified: bool) -> None:
        """Raises repository_exception, repository_verification_exception."""
        if not re.fullmatch(r"[^\s,#*?\"<>|\\/]+", name):
            raise failure(400, "repository_exception", f"[{name}] invalid name", repository=name)
        if spec.get("type") != "fs":
            raise failure(
                400,
                "repository_exception",
                f"[{name}] repository type [{spec.get('type')}] does not exist",
                repository=name,
            )
        folder = self._folder(name, spec)
        if is_verified:
            await self._verify(name, folder)
        await self.shelf.put(name, {"type": "fs", "settings": spec["settings"], "uuid": self._ids.secret(16)[:22]})

    async def verify(self, name: str) -> None:
        """Raises repository_verification_exception where nothing can be written."""
        await self._verify(name, self.folder(name))

    def folder(self, name: str) -> Path:
        """Raises repository_missing_exception."""
        spec = self.shelf.get(name)
        if spec is None:
            raise failure(404, "repository_missing_exception", f"[{name}] missing", repository=name)
        return self._folder(name, spec)

    async def all(self, repository: str) -> list[Object]:
        """What its snapshots are, oldest first; those under way come last."""
        found = await asyncio.to_thread(_read_blocking, self.folder(repository))
        return [*found, *(one for (where, _), one in self._running.items() if where == repository)]

    async def begin(self, repository: str, name: str, chosen: Sequence[Index], metadata: Object | None) -> Object:
        """A snapshot that is under way: `carry_out` makes it. Raises invalid_snapshot_name_exception."""
        _check_name(repository, name)
        folder = self.folder(repository)
        there = await asyncio.to_thread(_read_blocking, folder)
        if any(one["snapshot"] == name for one in there) or (repository, name) in self._running:
            raise _bad_name(repository, name, "snapshot with the same name already exists")
        if len(there) >= SNAPSHOTS_MAX:
            reason = f"[{repository}:{name}] Cannot add another snapshot: at most [{SNAPSHOTS_MAX}] are kept"
            raise failure(400, "snapshot_exception", reason)
        now = self._indices.now()
        shards = sum(index.shards for index in chosen)
        made: Object = {
            "snapshot": name,
            "uuid": self._ids.secret(16)[:22],
            "repository": repository,
            "version_id": INDEX_VERSION,
            "version": VERSION,
            "indices": [index.name for index in chosen],
            "data_streams": [],
            "include_global_state": False,
            **({"metadata": metadata} if metadata is not None else {}),
            "state": "IN_PROGRESS",
            "start_time": iso(now),
            "start_time_in_millis": now,
            "failures": [],
            "shards": {"total": shards, "failed": 0, "successful": 0},
            "feature_states": [],
        }
        self._running[repository, name] = made
        return made

    def abandon(self, made: Object) -> None:
        """It is under way no longer."""
        self._running.pop((made["repository"], made["snapshot"]), None)

    async def carry_out(self, made: Object, chosen: Sequence[Index]) -> Object:
        """The finished snapshot."""
        folder = self.folder(made["repository"])
        place = folder / made["uuid"]
        try:
            definitions: Object = {}
            for index in chosen:
                definitions[index.name] = {
                    "uuid": index.uuid,
                    "settings": index.settings,
                    "mappings": index.mapping.definition,
                    "aliases": index.aliases,
                }
                await self._save(index, place / index.uuid)
            await asyncio.to_thread(_write_blocking, place / LIST, definitions)
        except BaseException:
            self.abandon(made)
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            raise
        now = self._indices.now()
        done = {
            **made,
            "state": "SUCCESS",
            "end_time": iso(now),
            "end_time_in_millis": now,
            "duration_in_millis": now - made["start_time_in_millis"],
            "shards": {**made["shards"], "successful": made["shards"]["total"]},
        }
        try:  # from here on it may be listed: what is not listed after all is swept one day
            await self._relist(folder, lambda there: [*there, done])
        finally:
            self.abandon(made)
        return done

    async def delete(self, repository: str, names: Sequence[str]) -> None:
        """The list first, then what it named."""
        folder = self.folder(repository)
        gone = [one for one in await self.all(repository) if one["snapshot"] in names]
        if any(one["state"] == "IN_PROGRESS" for one in gone):
            reason = f"[{repository}:{','.join(names)}] cannot delete a snapshot that is under way"
            raise failure(409, "concurrent_snapshot_execution_exception", reason)
        uuids = {one["uuid"] for one in gone}
        await self._relist(folder, lambda there: [one for one in there if one["uuid"] not in uuids])
        for uuid in uuids:
            await asyncio.to_thread(shutil.rmtree, folder / uuid, ignore_errors=True)

    async def definitions(self, made: Object) -> Object:
        """What the indices of a snapshot were: uuid, settings, mappings, aliases by name."""
        path = self.folder(made["repository"]) / made["uuid"] / LIST
        found: Object = decode(await asyncio.to_thread(path.read_bytes))
        return found

    async def restore(self, made: Object, renamed: Mapping[str, tuple[str, Object]]) -> None:
        """Make each index anew. renamed: old name: (new name, its definition, uuid included)."""
        place = self.folder(made["repository"]) / made["uuid"]
        for name, _ in renamed.values():
            there = self._indices.get(name)
            if there is not None and there.is_open:
                reason = (
                    f"[{made['repository']}:{made['snapshot']}/{made['uuid']}] cannot restore index [{name}] because "
                    "an open index with same name already exists in the cluster. Either close or delete the existing "
                    "index or restore the index under a different name by providing a rename pattern and replacement "
                    "name"
                )
                raise failure(500, "snapshot_restore_exception", reason)
        for name, spec in renamed.values():
            there = self._indices.get(name)
            if there is not None:
                await self._indices.delete(there)
            index = await self._indices.create(name, {key: spec[key] for key in ("settings", "mappings", "aliases")})
            try:
                shard = await index.engine()
                async with shard.lock:
                    await asyncio.to_thread(_restore_blocking, shard, place / spec["uuid"])
                await self._writing.refresh(index)
            except BaseException:
                await self._indices.delete(index)
                raise

    async def sweep(self, repository: str) -> tuple[int, int]:
        """(bytes, files) of what no snapshot names any more, now deleted."""
        folder = self.folder(repository)
        known = {one["uuid"] for one in await self.all(repository)}
        return await asyncio.to_thread(_sweep_blocking, folder, known)

    async def _save(self, index: Index, place: Path) -> None:
        was_open = index.is_open
        shard = await index.engine()
        async with shard.lock:
            await asyncio.to_thread(_save_blocking, shard, place)
        if not was_open:
            await index.close()

    async def _relist(self, folder: Path, change: Callable[[list[Object]], list[Object]]) -> None:
        async with self._changing:
            there = await asyncio.to_thread(_read_blocking, folder)
            await asyncio.to_thread(_write_blocking, folder / LIST, {"snapshots": change(there)})

    def _folder(self, name: str, spec: Object) -> Path:
        location = (spec.get("settings") or {}).get("location")
        if not location:
            raise failure(400, "repository_exception", f"[{name}] missing location", repository=name)
        folder = (self._root / str(location)).resolve()
        if not any(folder.is_relative_to(one) for one in (self._root.resolve(), *self._allowed)):
            reason = (
                f"[{name}] location [{location}] doesn't match any of the locations specified by path.repo: name a "
                "folder above it in search.path_repo"
            )
            raise failure(400, "repository_exception", reason, repository=name)
        return folder

    async def _verify(self, name: str, folder: Path) -> None:
        try:
            await asyncio.to_thread(_try_blocking, folder)
        except OSError as error:
            reason = f"[{name}] path is not accessible: {error.strerror}"
            raise failure(500, "repository_verification_exception", reason, repository=name) from error


def _check_name(repository: str, name: str) -> None:
    if name != name.lower():
        raise _bad_name(repository, name, "must be lowercase")
    if name.startswith("_"):
        raise _bad_name(repository, name, "must not start with '_'")
    found = re.search(r"[\s,#\\/*?\"<>|]", name)
    if found:
        raise _bad_name(repository, name, f"must not contain '{found[0]}'")


def _bad_name(repository: str, name: str, why: str) -> MaruError:
    reason = f"[{repository}:{name}] Invalid snapshot name [{name}], {why}"
    return failure(400, "invalid_snapshot_name_exception", reason)


def _try_blocking(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".tests-{os.getpid()}"
    probe.write_bytes(b"1")
    probe.unlink()


def _read_blocking(folder: Path) -> list[Object]:
    try:
        found: list[Object] = decode((folder / LIST).read_bytes())["snapshots"]
    except FileNotFoundError:
        return []
    return found


def _write_blocking(path: Path, value: Object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(encode(value))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _save_blocking(shard: Shard, place: Path) -> None:
    place.mkdir(parents=True)
    shard.refresh_blocking()
    freeze_blocking(place, shard.live_blocking())


def _restore_blocking(shard: Shard, place: Path) -> None:
    for records in documents_blocking(place):
        shard.restore_blocking(records)
    shard.sync_blocking()


def _sweep_blocking(folder: Path, known: set[str]) -> tuple[int, int]:
    sizes: list[int] = []
    with suppress(FileNotFoundError):
        for place in folder.iterdir():
            if place.is_dir() and place.name not in known:
                sizes += [one.stat().st_size for one in place.rglob("*") if one.is_file()]
                shutil.rmtree(place, ignore_errors=True)
    return sum(sizes), len(sizes)
