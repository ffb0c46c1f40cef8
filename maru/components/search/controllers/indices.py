"""The indices: their definitions in the store, their engines in the component's folder.

An engine is opened when it is first needed. A definition is written to the store before it counts. Source:
Elasticsearch reference, "Index APIs".
"""

from __future__ import annotations

import asyncio
import copy
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maru.components.search.config import SearchConfig
from maru.components.search.controllers.index import Index
from maru.components.search.controllers.shelves import Shelf
from maru.components.search.engine.searching.rows import Target
from maru.components.search.errors import failure, illegal, no_such_index
from maru.components.search.model.mapping.mapping import checked_definition
from maru.components.search.model.mapping.parsing import as_properties
from maru.components.search.model.names import check_name, is_pattern, matching, resolved_math
from maru.components.search.model.settings import check_update, index_settings, nested
from maru.core.clock import Clock
from maru.core.errors import MaruError
from maru.core.ids import Ids
from maru.core.log import Log
from maru.wire.elastic.dates import to_millis
from maru.wire.elastic.json import Json, Object


@dataclass(frozen=True)
class Choice:
    """How names are looked up: as the parameters of the same names."""

    ignore_unavailable: bool = False
    allow_no_indices: bool = True
    expand: frozenset[str] = frozenset({"open"})
    forbids_closed: bool = True
    forbids_aliases: bool = False


@dataclass
class Named:
    """An index as a request named it: through which aliases, with which filters."""

    index: Index
    aliases: list[str] = field(default_factory=list)
    is_direct: bool = False


class Indices:
    """All of them. streams: data streams by name, each with its backing indices in order."""

    def __init__(
        self, shelf: Shelf, streams: Shelf, folder: Path, config: SearchConfig, times: tuple[Clock, Ids]
    ) -> None:
        self._shelf = shelf
        self._streams = streams
        self._folder = folder
        self._config = config
        self._clock, self._ids = times
        self._log = Log("search")
        self._all: dict[str, Index] = {}
        self._changing = asyncio.Lock()
        self._dropping: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take in what is kept, and follow what others change."""
        for name, spec in self._shelf.all().items():
            self._add(name, spec)
        known = {str(spec.get("uuid")) for spec in self._shelf.all().values()}
        await asyncio.to_thread(_remove_strangers, self._folder, known)
        self._shelf.on_change(lambda _: self._compare())

    async def close(self) -> None:
        """Commit and close all engines."""
        for index in self._all.values():
            await index.close()

    # Looking up.

    def get(self, name: str) -> Index | None:
        """The index of exactly this name."""
        return self._all.get(name)

    def all(self) -> list[Index]:
        """In order of name."""
        return [self._all[name] for name in sorted(self._all)]

    def now(self) -> int:
        """Milliseconds since 1970."""
        return to_millis(self._clock.now())

    def stream(self, name: str) -> Object | None:
        """The data stream of this name."""
        return self._streams.get(name)

    def aliases(self) -> dict[str, list[Index]]:
        """Alias to its indices."""
        found: dict[str, list[Index]] = {}
        for index in self.all():
            for alias in index.aliases:
                found.setdefault(alias, []).append(index)
        return found

    def find(self, expression: str, choice: Choice | None = None) -> list[Named]:
        """Indices an expression names, in order of name. Raises index_not_found_exception and its like."""
        choice = choice or Choice()
        found: dict[str, Named] = {}
        aliases = self.aliases()
        streams = self._streams.all()
        parts = [resolved_math(part, self.now()) for part in (expression or "_all").split(",") if part]
        if not parts or parts == ["_all"]:
            parts = ["*"]
        has_pattern = any(is_pattern(part) for part in parts)
        for position, part in enumerate(parts):
            if part.startswith("-") and position > 0 and has_pattern:
                unwanted = part[1:]
                for name in list(found):
                    named = found[name]
                    if name in matching(unwanted, [name]) or any(
                        matching(unwanted, [alias]) for alias in named.aliases
                    ):
                        del found[name]
            elif is_pattern(part):
                self._match(part, choice, aliases, streams, found)
            else:
                self._name(part, choice, aliases, streams, found)
        if not found and has_pattern and not choice.allow_no_indices:
            raise no_such_index(expression or "_all")
        return [found[name] for name in sorted(found)]

    def one(self, expression: str) -> Index:
        """The one index to write to or read from. Raises illegal_argument if there are several."""
        stream = self._streams.get(expression)
        if stream is not None:
            return self._all[stream["indices"][-1]]
        name = self._resolved(expression)
        index = self._all.get(name)
        if index is not None:
            return index
        holders = [one for one in self.all() if name in one.aliases]
        if not holders:
            raise no_such_index(name)
        if len(holders) == 1:
            return holders[0]
        writers = [one for one in holders if one.aliases[name].get("is_write_index")]
        if len(writers) == 1:
            return writers[0]
        names = ", ".join(one.name for one in holders)
        raise illegal(
            f"alias [{name}] has more than one index associated with it [{names}], can't execute a single index op"
        )

    def write_target(self, expression: str) -> Index | None:
        """The index a write goes to; None where it has to be made. Raises illegal_argument."""
        stream = self._streams.get(expression)
        if stream is not None:
            return self._all.get(stream["indices"][-1])
        name = self._resolved(expression)
        index = self._all.get(name)
        if index is not None:
            return index
        holders = [one for one in self.all() if name in one.aliases]
        if not holders:
            return None
        writers = [one for one in holders if one.aliases[name].get("is_write_index")]
        if writers:
            return writers[0]
        if len(holders) == 1 and holders[0].aliases[name].get("is_write_index") is not False:
            return holders[0]
        raise illegal(
            f"no write index is defined for alias [{name}]. The write index may be explicitly disabled using "
            "is_write_index=false or the alias points to "
            "multiple indices without one being designated as a write index"
        )

    def _resolved(self, name: str) -> str:
        return resolved_math(name, self.now()) if name.startswith("<") else name

    async def targets(self, named: Sequence[Named], routing: str = "") -> list[Target]:
        """What a search goes over. Raises index_closed_exception and what keeps an engine from opening."""
        targets = []
        for one in named:
            shard = await one.index.engine()
            one.index.searches += 1
            one.index.last_used_s = self._clock.monotonic_s()
            filters = [one.index.aliases[alias].get("filter") for alias in one.aliases]
            only = None
            if not one.is_direct and filters and all(filters):
                only = filters[0] if len(filters) == 1 else {"bool": {"should": filters}}
            routings = tuple(routing.split(",")) if routing else ()
            if not routings and not one.is_direct and len(one.aliases) == 1:
                given = one.index.aliases[one.aliases[0]].get(
                    "search_routing", one.index.aliases[one.aliases[0]].get("routing")
                )
                routings = tuple(str(given).split(",")) if given else ()
            targets.append(
                Target(
                    one.index.name,
                    one.index.mapping,
                    shard.snapshot(),
                    one.index.full_settings(),
                    only,
                    routings=routings if self._knows_routing(one.index) else (),
                )
            )
        return targets

    def _knows_routing(self, index: Index) -> bool:
        """A routing chooses a shard, and with it all its documents; with one shard that is every one."""
        return index.shards > 1

    # Changing.

    async def create(self, name: str, spec: Object) -> Index:
        """spec: settings (flat), mappings, aliases. Raises resource_already_exists_exception and its like."""
        async with self._changing:
            check_name(name)
            there = self._all.get(name)
            if there is not None:
                raise failure(
                    400,
                    "resource_already_exists_exception",
                    f"index [{name}/{there.uuid}] already exists",
                    index_uuid=there.uuid,
                    index=name,
                )
            if name in self.aliases():
                raise failure(
                    400,
                    "invalid_index_name_exception",
                    f"Invalid index name [{name}], already exists as alias",
                    index_uuid="_na_",
                    index=name,
                )
            if self._streams.get(name) is not None:
                raise failure(400, "resource_already_exists_exception", f"data_stream [{name}] already exists")
            settings = {"number_of_shards": "1", "number_of_replicas": "1", **(spec.get("settings") or {})}
            kept: Object = {
                "uuid": self._ids.secret(16)[:22],
                "creation_date": self.now(),
                "state": "open",
                "settings": {key: value for key, value in settings.items() if value is not None},
                "mappings": spec.get("mappings") or {},
                "aliases": spec.get("aliases") or {},
                **{key: spec[key] for key in ("provided_name", "data_stream") if key in spec},
            }
            index = Index(name, kept, self._folder / str(kept["uuid"]), self._config)
            index.mapping.check_limits()
            await self._shelf.put(name, kept)
            self._all[name] = index
            return index

    async def delete(self, index: Index) -> None:
        """The definition first, then what it held."""
        self._all.pop(index.name, None)
        try:
            await self._shelf.delete(index.name)
        except MaruError:
            self._all[index.name] = index
            raise
        await self._drop(index)

    async def change(self, index: Index, **parts: Json) -> None:
        """Replace parts of the definition: settings, mappings, aliases, state."""
        async with self._changing:
            spec = {**copy.deepcopy(index.spec), **parts}
            Index(index.name, spec, index.folder, self._config)
            await self._shelf.put(index.name, spec)
            index.take(spec)

    async def map_more(self, index: Index, properties: Object) -> None:
        """Add to its mapping. Raises illegal_argument for a contradiction."""
        merged = index.mapping.merged(checked_definition(properties))
        if merged.definition != index.mapping.definition:
            await self.change(index, mappings=merged.definition)

    async def learn(self, index: Index, added: Object) -> None:
        """Dynamic mapping: fields that documents brought."""
        await self.map_more(index, as_properties(added))

    async def change_settings(self, index: Index, given: Json, *, preserves: bool = False) -> None:
        """Raises illegal_argument for what cannot change."""
        wanted = index_settings(given)
        check_update(wanted, f"{index.name}/{index.uuid}", is_open=index.is_open)
        settings = dict(index.settings)
        for name, value in wanted.items():
            if value is None:
                settings.pop(name, None)
            elif not (preserves and name in settings):
                settings[name] = value
        await self.change(index, settings=settings)

    def state_of(self, index: Index) -> Object:
        """Settings as the API shows them: nested."""
        return nested(index.full_settings())

    def _add(self, name: str, spec: Object) -> None:
        try:
            self._all[name] = Index(name, spec, self._folder / str(spec["uuid"]), self._config)
        except (MaruError, KeyError) as error:
            self._log.warning("an index cannot be read", index=name, error=str(error))

    def _compare(self) -> None:
        """Others changed definitions: `kubectl delete`, `kubectl edit`."""
        kept = self._shelf.all()
        for name, spec in kept.items():
            index = self._all.get(name)
            if index is None:
                if not self._changing.locked():
                    self._add(name, spec)
            elif (
                spec.get("uuid") == index.uuid
                and not self._changing.locked()
                and {**spec, "name": ""} != {**index.spec, "name": ""}
            ):
                try:
                    index.take(spec)
                except MaruError as error:
                    self._log.warning("a change of an index cannot be taken over", index=name, error=str(error))
        for name in [name for name in self._all if name not in kept]:
            if self._changing.locked():
                continue
            index = self._all.pop(name)
            self._log.info("an index was deleted as a document", index=name)
            task = asyncio.get_running_loop().create_task(self._drop(index))
            self._dropping.add(task)
            task.add_done_callback(self._dropping.discard)

    async def _drop(self, index: Index) -> None:
        await index.close()
        await asyncio.to_thread(shutil.rmtree, index.folder, ignore_errors=True)

    def _match(
        self,
        pattern: str,
        choice: Choice,
        aliases: dict[str, list[Index]],
        streams: dict[str, Object],
        found: dict[str, Named],
    ) -> None:
        hidden = (
            {index.name for index in self._all.values() if index.is_hidden} if "hidden" not in choice.expand else set()
        )
        for name in matching(pattern, self._all, hidden=hidden):
            index = self._all[name]
            if "open" in choice.expand if index.is_open else "closed" in choice.expand:
                found.setdefault(name, Named(index)).is_direct = True
        if choice.forbids_aliases:
            return
        for alias in matching(pattern, aliases):
            for index in aliases[alias]:
                if ("open" in choice.expand if index.is_open else "closed" in choice.expand) and (
                    not index.is_hidden or "hidden" in choice.expand
                ):
                    found.setdefault(index.name, Named(index)).aliases.append(alias)
        for stream in matching(pattern, streams):
            for name in streams[stream]["indices"]:
                if name in self._all:
                    found.setdefault(name, Named(self._all[name])).is_direct = True

    def _name(
        self,
        name: str,
        choice: Choice,
        aliases: dict[str, list[Index]],
        streams: dict[str, Object],
        found: dict[str, Named],
    ) -> None:
        index = self._all.get(name)
        if index is not None:
            self._must_be_open(index, choice, found, is_direct=True)
        elif name in aliases:
            if choice.forbids_aliases:
                raise illegal(
                    f"The provided expression [{name}] matches an alias, specify the corresponding concrete "
                    "indices instead."
                )
            for one in aliases[name]:
                self._must_be_open(one, choice, found, alias=name)
        elif name in streams:
            for backing in streams[name]["indices"]:
                if backing in self._all:
                    found.setdefault(backing, Named(self._all[backing])).is_direct = True
        elif not choice.ignore_unavailable:
            if name.startswith("_"):
                raise failure(
                    400,
                    "invalid_index_name_exception",
                    f"Invalid index name [{name}], must not start with '_'.",
                    index_uuid="_na_",
                    index=name,
                )
            raise no_such_index(name)

    def _must_be_open(
        self, index: Index, choice: Choice, found: dict[str, Named], *, is_direct: bool = False, alias: str = ""
    ) -> None:
        if not index.is_open and choice.forbids_closed:
            if choice.ignore_unavailable:
                return
            raise failure(400, "index_closed_exception", "closed", index_uuid=index.uuid, index=index.name)
        named = found.setdefault(index.name, Named(index))
        named.is_direct = named.is_direct or is_direct
        if alias:
            named.aliases.append(alias)


def _remove_strangers(folder: Path, known: set[str]) -> None:
    """Folders of indices whose definition is gone: deleted, and then the process ended."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path, ignore_errors=True)
