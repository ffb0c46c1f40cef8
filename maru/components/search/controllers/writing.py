"""Writes: documents through pipelines, mappings and the log, durable before they are acknowledged.

All operations of one index go together: parsed, mapped, numbered, appended, and on disk with one sync that
is shared with whoever else waits. Source: Elasticsearch reference, "Document APIs".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from maru.components.search.controllers.index import Index
from maru.components.search.controllers.indices import Indices
from maru.components.search.controllers.outcomes import Outcome, Write
from maru.components.search.controllers.templates import Templates
from maru.components.search.controllers.updating import bad_source, invalid, updated_blocking
from maru.components.search.engine.operations import MakeIds, Operation, Written
from maru.components.search.engine.shard import Shard
from maru.components.search.errors import failure, illegal, no_such_index
from maru.components.search.model.ingest.documents import Dropped
from maru.components.search.model.ingest.pipelines import Pipelines
from maru.components.search.model.mapping.parsing import Parsed, Parser
from maru.core.errors import MaruError
from maru.core.ids import Ids
from maru.wire.elastic.json import BodyError, Object, decode, encode

ID_BYTES_MAX = 512
ID_RANDOM_BYTES = 15
LEARN_TRIES = 5  # of one batch that brings fields: each may bring what the one before hid


class Writing:
    """Writes for everybody: the API, reindexing, the contract."""

    def __init__(self, indices: Indices, templates: Templates, pipelines: Pipelines, ids: Ids) -> None:
        self._indices = indices
        self._templates = templates
        self._pipelines = pipelines
        self._ids = ids
        self._syncing: dict[str, asyncio.Task[None]] = {}

    async def one(self, write: Write, refresh: str = "") -> Outcome:
        """A single write. Raises its error."""
        outcome = (await self.many([write], refresh))[0]
        if outcome.error is not None:
            raise outcome.error
        return outcome

    async def many(self, writes: Sequence[Write], refresh: str = "") -> list[Outcome]:
        """All of them, in order within an index; each has its own outcome."""
        outcomes = [Outcome(write, write.target) for write in writes]
        groups: dict[str, list[Outcome]] = {}
        own: dict[str, list[str]] = {}  # the pipelines that an index has of its own
        for outcome in outcomes:
            try:
                _check(outcome.write)
                target = self._piped(outcome, own)
                if target:
                    groups.setdefault(target, []).append(outcome)
            except MaruError as error:
                outcome.error = error
        for target, members in groups.items():
            try:
                index = await self._index(target, members[0].write)
            except MaruError as error:
                for outcome in members:
                    outcome.error = error
                continue
            await self._group(index, members)
            if refresh in ("true", "") or refresh == "wait_for":
                await self.refresh(index)
            for outcome in members:
                outcome.refreshed = refresh == "true"
        return outcomes

    async def refresh(self, index: Index) -> None:
        """What was written is found when this returns."""
        shard = await index.engine()
        if shard.is_dirty:
            async with shard.refreshing:
                if shard.is_dirty:
                    await asyncio.to_thread(shard.refresh_blocking)
            index.stats["refreshes"] = index.stats.get("refreshes", 0) + 1

    async def durable(self, index: Index, shard: Shard) -> None:
        """Everything appended before is on disk; who comes together waits for one sync."""
        if index.is_async:
            return
        waiting = self._syncing.get(index.name)
        if waiting is not None and not waiting.done():
            await asyncio.shield(asyncio.wait([waiting]))  # that one may have begun before our bytes were there
            waiting = self._syncing.get(index.name)
        if waiting is None or waiting.done():
            waiting = self._syncing[index.name] = asyncio.get_running_loop().create_task(
                asyncio.to_thread(shard.sync_blocking)
            )
        await asyncio.shield(waiting)

    # Own.

    def _piped(self, outcome: Outcome, own: dict[str, list[str]]) -> str:
        """Run the pipelines; the index it goes to, "" where one dropped it."""
        write = outcome.write
        if write.kind in ("update", "delete"):
            return write.target
        found = own.get(write.target)
        if found is None:
            index = self._indices.write_target(write.target)
            settings = index.settings if index is not None else self._templates.settings_for(write.target)
            found = [str(settings.get(name, "_none")) for name in ("default_pipeline", "final_pipeline")]
            own[write.target] = found
        names = [name for name in (write.pipeline or found[0], found[1]) if name not in ("", "_none")]
        if not names:
            return write.target
        try:
            document = decode(write.source)
        except BodyError as error:
            raise bad_source(error, write) from error
        meta: Object = {
            "_index": write.target,
            "_id": write.id or None,
            "_routing": write.routing or None,
            "_version_type": "internal",
        }
        try:
            for name in names:
                self._pipelines.run(name, document, meta)
        except Dropped:
            outcome.written = Written(write.id, -2, 0, -4, "noop")
            return ""
        write.source = encode(document)
        write.id = str(meta["_id"] or "")
        write.routing = str(meta["_routing"] or "")
        write.target = outcome.index = str(meta["_index"])
        return write.target

    async def _index(self, target: str, write: Write) -> Index:
        if write.require_alias and target not in self._indices.aliases():
            raise failure(
                404,
                "index_not_found_exception",
                f"no such index [{target}] and [require_alias] request flag is [true] and [{target}] is not an alias",
                **{"resource.type": "index_or_alias", "resource.id": target, "index_uuid": "_na_", "index": target},
            )
        stream = self._indices.stream(target)
        index = self._indices.write_target(target)
        if index is None:
            if write.kind == "delete" and write.version_type == "internal":
                raise no_such_index(target)
            index = await self._templates.create_on_write(target)
            stream = self._indices.stream(target)
        if stream is not None and write.kind == "index" and write.if_seq < 0:
            raise illegal("only write ops with an op_type of create are allowed in data streams")
        if not index.is_open:
            raise failure(400, "index_closed_exception", "closed", index_uuid=index.uuid, index=index.name)
        for block, words in (
            ("write", "index write (api)"),
            ("read_only", "index read-only (api)"),
            (
                "read_only_allow_delete",
                "disk usage exceeded flood-stage watermark, index has read-only-allow-delete block",
            ),
        ):
            if str(index.settings.get(f"blocks.{block}", "false")) == "true" or (block == "write" and index.is_cold):
                number = {"write": 8, "read_only": 5, "read_only_allow_delete": 12}[block]
                status, label = (429, "TOO_MANY_REQUESTS") if block == "read_only_allow_delete" else (403, "FORBIDDEN")
                raise failure(
                    status,
                    "cluster_block_exception",
                    f"index [{index.name}] blocked by: [{label}/{number}/{words}];",
                    index=index.name,
                )
        return index

    async def _group(self, index: Index, outcomes: Sequence[Outcome]) -> None:
        shard = await index.engine()
        for outcome in outcomes:
            outcome.index = index.name
        try:
            for run in _runs(outcomes):
                await self._locked(index, shard, run)
            await self.durable(index, shard)
        except MaruError as error:
            for outcome in outcomes:
                outcome.error = outcome.error or error

    async def _locked(self, index: Index, shard: Shard, outcomes: Sequence[Outcome]) -> None:
        async with shard.lock:
            batch = _Batch(index, shard, self._make_ids)
            await asyncio.to_thread(batch.prepare_blocking, outcomes)
            for _ in range(LEARN_TRIES):
                if not batch.added:
                    break
                refused = await self._learn(index, batch.added)
                again = batch.take_new(outcomes)
                if refused is None:
                    await asyncio.to_thread(batch.prepare_blocking, again)
                for outcome in again if refused is not None else []:
                    outcome.error = refused
            if not batch.is_written:
                await asyncio.to_thread(batch.write_blocking, outcomes)

    async def _learn(self, index: Index, added: Object) -> MaruError | None:
        try:
            await self._indices.learn(index, added)
        except MaruError as error:
            if error.details.get("kind") == "illegal_argument_exception" and "Limit of" in error.what:
                return failure(
                    400,
                    "document_parsing_exception",
                    f"[1:1] failed to parse: {error.what}",
                    caused_by={"type": "illegal_argument_exception", "reason": error.what},
                )
            return error
        return None

    def _make_ids(self, count: int) -> Sequence[str]:
        """As many new ids, out of one draw."""
        drawn = self._ids.secret(ID_RANDOM_BYTES * count)
        size = len(drawn) // count
        return [drawn[at : at + size] for at in range(0, size * count, size)]


def _check(write: Write) -> None:
    """Raises for an id that is too long, and for versions that contradict each other."""
    if len(write.id) * 4 > ID_BYTES_MAX and len(write.id.encode()) > ID_BYTES_MAX:
        raise failure(
            400,
            "action_request_validation_exception",
            (
                f"Validation Failed: 1: id [{write.id}] is too long, must be no longer than {ID_BYTES_MAX} "
                f"bytes but was: {len(write.id.encode())};"
            ),
        )
    if write.version_type not in ("internal", "external", "external_gte", "external_gt"):
        raise illegal(f"No version type match [{write.version_type}]")
    if write.version_type == "external_gt":
        write.version_type = "external"
    if write.version_type != "internal":
        if write.kind == "create":
            raise invalid("create operations only support internal versioning. use index instead")
        if write.version < 0:
            raise invalid(f"illegal version value [{write.version}] for version type [{write.version_type.upper()}]")
        if write.kind == "update":
            raise invalid(
                "internal versioning can not be used for optimistic concurrency control. Please use "
                "`if_seq_no` and `if_primary_term` instead"
            )
    elif write.version >= 0:
        raise invalid(
            "internal versioning can not be used for optimistic concurrency control. Please use "
            "`if_seq_no` and `if_primary_term` instead"
        )
    if (write.if_seq >= 0) != (write.if_term > 0):
        raise invalid(
            f"ifSeqNo is {'set' if write.if_seq >= 0 else 'unassigned'}, but primary term is [{write.if_term}]"
            if write.if_seq >= 0
            else f"ifSeqNo is unassigned, but primary term is [{write.if_term}]"
        )


def _runs(outcomes: Sequence[Outcome]) -> Iterator[Sequence[Outcome]]:
    """Parts that can be prepared at once: an update reads what the writes before it left."""
    if not any(outcome.write.kind == "update" for outcome in outcomes):
        yield outcomes
        return
    start = 0
    seen: set[str] = set()
    for at, outcome in enumerate(outcomes):
        if outcome.write.kind == "update" and outcome.write.id in seen:
            yield outcomes[start:at]
            start, seen = at, set()
        seen.add(outcome.write.id)
    yield outcomes[start:]


class _Batch:
    """Writes of one index on their way. added: definitions of fields that some of them bring."""

    def __init__(self, index: Index, shard: Shard, make_ids: MakeIds) -> None:
        self._index = index
        self._shard = shard
        self._make_ids = make_ids
        self._operations: dict[int, Operation] = {}  # by the identity of their outcomes
        self.added: Object = {}
        self.is_written = False

    def prepare_blocking(self, outcomes: Sequence[Outcome]) -> None:
        """Parse them; where none brings a field, and these are all, write them too."""
        parser = self._index.parser
        is_whole = not self._operations
        for outcome in outcomes:
            if outcome.error is not None:
                continue
            try:
                operation = _prepare_blocking(self._index, parser, self._shard, outcome)
            except MaruError as error:
                outcome.error = error
                continue
            if operation is None:
                continue
            self._operations[id(outcome)] = operation
            if operation.parsed is not None and operation.parsed.added:
                for path, definition in operation.parsed.added.items():
                    self.added.setdefault(path, definition)
        if is_whole and not self.added:
            self.write_blocking(outcomes)

    def take_new(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Those that bring fields, to be prepared again."""
        found = []
        for outcome in outcomes:
            operation = self._operations.get(id(outcome))
            if operation is not None and operation.parsed is not None and operation.parsed.added:
                del self._operations[id(outcome)]
                found.append(outcome)
        self.added = {}
        return found

    def write_blocking(self, outcomes: Sequence[Outcome]) -> None:
        """Number and log what is prepared, in order, and note what became of it."""
        self.is_written = True
        pairs = [(outcome, self._operations[id(outcome)]) for outcome in outcomes if id(outcome) in self._operations]
        results = self._shard.write_blocking([operation for _, operation in pairs], self._make_ids)
        for (outcome, operation), result in zip(pairs, results, strict=True):
            if isinstance(result, Written):
                outcome.written = result
                outcome.source = operation.source
            else:
                result.details["facts"] |= {"index_uuid": self._index.uuid, "shard": "0", "index": self._index.name}
                outcome.error = result


def _prepare_blocking(index: Index, parser: Parser, shard: Shard, outcome: Outcome) -> Operation | None:
    write = outcome.write
    if index.mapping.needs_routing and not write.routing:
        raise failure(
            400,
            "routing_missing_exception",
            f"routing is required for [{index.name}]/[{write.id}]",
            index_uuid=index.uuid,
            index=index.name,
        )
    operation = Operation(
        write.kind,
        write.id,
        write.source,
        write.routing,
        write.if_seq,
        write.if_term,
        max(write.version, 0),
        write.version_type,
    )
    if write.kind == "delete":
        return operation
    if write.kind == "update":
        changed = updated_blocking(index, shard, outcome)
        if changed is None:
            return None
        operation.source, operation.kind = changed, "index"
    operation.parsed = parser.read(operation.source) or _parsed(index, parser, write, operation.source)
    return operation


def _parsed(index: Index, parser: Parser, write: Write, source: bytes) -> Parsed:
    """The long way. Raises document_parsing_exception."""
    try:
        document = decode(source)
    except BodyError as error:
        raise bad_source(error, write) from error
    if not isinstance(document, dict):
        raise failure(
            400,
            "document_parsing_exception",
            "[1:1] failed to parse: Malformed content, must start with an object",
        )
    if index.spec.get("data_stream") and "@timestamp" not in document:
        raise failure(
            400,
            "document_parsing_exception",
            "[1:1] failed to parse: data stream timestamp field [@timestamp] is missing",
            caused_by={
                "type": "illegal_argument_exception",
                "reason": "data stream timestamp field [@timestamp] is missing",
            },
        )
    for name in ("_id", "_index", "_source", "_routing", "_seq_no", "_version"):
        if name in document:
            raise failure(
                400,
                "document_parsing_exception",
                (
                    f"[1:1] Field [{name}] is a metadata field and cannot be added inside a document. Use the "
                    "index API request parameters."
                ),
            )
    return parser.parse(document, write.id, source)
