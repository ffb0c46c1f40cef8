"""Partial updates: a document that is changed in part, or made where it is not there.

Source: Elasticsearch reference, "Update API".
"""

from __future__ import annotations

from maru.components.search.controllers.index import Index
from maru.components.search.controllers.outcomes import Outcome, Write
from maru.components.search.engine.operations import PRIMARY_TERM, Written
from maru.components.search.engine.shard import Shard
from maru.components.search.errors import failure
from maru.core.errors import MaruError
from maru.wire.elastic.json import BodyError, Json, Object, decode, encode, token_of


def updated_blocking(index: Index, shard: Shard, outcome: Outcome) -> bytes | None:
    """The document after a partial update; None where nothing changes (a noop is noted)."""
    write = outcome.write
    try:
        body = decode(write.source)
    except BodyError as error:
        raise bad_source(error, write) from error
    if not isinstance(body, dict):
        raise failure(400, "parsing_exception", f"Expected [START_OBJECT] but found [{token_of(body)}]", line=1, col=1)
    _check_update(body)
    have = shard.get_blocking(write.id)
    if have is None:
        if write.if_seq >= 0:
            raise _moved(index, write, "but no document was found")
        if body.get("doc_as_upsert") in (True, "true"):
            return encode(body["doc"])
        if "upsert" in body and not body.get("scripted_upsert"):
            return encode(body["upsert"])
        raise failure(
            404,
            "document_missing_exception",
            f"[{write.id}]: document missing",
            index_uuid=index.uuid,
            shard="0",
            index=index.name,
        )
    if "script" in body:
        raise failure(
            400,
            "illegal_argument_exception",
            "failed to execute script",
            caused_by={"type": "unsupported_operation_exception", "reason": "scripts are not supported by Maru"},
        )
    if write.if_seq >= 0 and (have.seq != write.if_seq or write.if_term != PRIMARY_TERM):
        raise _moved(index, write, f"current document has seqNo [{have.seq}] and primary term [{PRIMARY_TERM}]")
    before = decode(have.source)
    after = merged(before, body["doc"])
    if after == before and body.get("detect_noop", True) not in (False, "false"):
        outcome.written = Written(write.id, have.seq, have.term, have.version, "noop")
        outcome.source = have.source
        return None
    write.routing = write.routing or have.routing
    return encode(after)


def _check_update(body: Object) -> None:
    """Raises action_request_validation_exception and its like."""
    for name in body:
        if name not in (
            "doc",
            "upsert",
            "doc_as_upsert",
            "script",
            "scripted_upsert",
            "detect_noop",
            "_source",
            "if_seq_no",
            "if_primary_term",
            "lang",
            "params",
        ):
            raise failure(400, "x_content_parse_exception", f"[1:2] [UpdateRequest] unknown field [{name}]")
    if "script" in body and "doc" in body:
        raise invalid("can't provide both script and doc")
    if "script" not in body and "doc" not in body:
        raise invalid("script or doc is missing")
    if body.get("doc_as_upsert") and "doc" not in body:
        raise invalid("doc must be specified if doc_as_upsert is enabled")


def merged(before: Json, change: Json) -> Json:
    """A partial document over a whole one: objects merge, everything else is replaced."""
    if not isinstance(before, dict) or not isinstance(change, dict):
        return change
    after = dict(before)
    for name, value in change.items():
        after[name] = merged(after[name], value) if name in after else value
    return after


def bad_source(error: BodyError, write: Write) -> MaruError:
    """A document that is no JSON, in the server's words."""
    reason = error.reason.removeprefix("[1:1] ")
    cause = {"type": "x_content_parse_exception", "reason": f"[1:1] {reason}"}
    return failure(400, "document_parsing_exception", f"[1:1] failed to parse: {reason}", caused_by=cause)


def invalid(reason: str) -> MaruError:
    """A request whose parts do not go together."""
    return failure(400, "action_request_validation_exception", f"Validation Failed: 1: {reason};")


def _moved(index: Index, write: Write, now: str) -> MaruError:
    wanted = f"required seqNo [{write.if_seq}], primary term [{write.if_term}]"
    reason = f"[{write.id}]: version conflict, {wanted}. {now}"
    facts = {"index_uuid": index.uuid, "shard": "0", "index": index.name}
    return failure(409, "version_conflict_engine_exception", reason, **facts)
