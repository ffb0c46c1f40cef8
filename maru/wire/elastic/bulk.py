"""The lines of `_bulk`: an action, and for all but delete a source. Source: Elasticsearch reference, "Bulk API"."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from maru.wire.elastic.json import BodyError, Json, Object, decode, token_of

ACTIONS = ("index", "create", "update", "delete")
KNOWN = (
    "_index",
    "_id",
    "_type",
    "routing",
    "_routing",
    "version",
    "_version",
    "version_type",
    "_version_type",
    "if_seq_no",
    "if_primary_term",
    "retry_on_conflict",
    "_retry_on_conflict",
    "pipeline",
    "_source",
    "require_alias",
    "dynamic_templates",
    "require_data_stream",
    "list_executed_pipelines",
)


class Item(msgspec.Struct, frozen=True, gc=False):
    """kind: one of ACTIONS. head: what stands beside it. source: the bytes of the next line."""

    kind: str
    head: Object
    source: bytes


def items(body: bytes) -> Iterator[Item]:
    """Raises BodyError in the server's words, naming the line."""
    if not body.strip():
        raise BodyError("parse_exception", "request body is required")
    if not body.endswith((b"\n", b"\r")):
        raise BodyError("illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
    lines = body.split(b"\n")
    at = 0
    before: tuple[bytes, str, Object] = (b"", "", {})  # many actions are the same as the one before
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.strip():
            continue
        if line != before[0]:
            before = (line, *_action(line, at))
        _, kind, head = before
        if kind == "delete":
            yield Item(kind, head, b"")
            continue
        if at >= len(lines) - 1 and not lines[min(at, len(lines) - 1)].strip():
            raise BodyError("illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
        yield Item(kind, head, lines[at].rstrip(b"\r"))
        at += 1


def _action(line: bytes, number: int) -> tuple[str, Object]:
    try:
        value: Json = decode(line)
    except BodyError as error:
        reason = error.reason.removeprefix("[1:1] ")
        raise BodyError("x_content_parse_exception", f"[{number}:1] {reason}") from error
    if not isinstance(value, dict):
        raise BodyError(
            "illegal_argument_exception",
            f"Malformed action/metadata line [{number}], expected START_OBJECT but found [{token_of(value)}]",
        )
    if len(value) != 1:
        found = "END_OBJECT" if not value else "FIELD_NAME"
        wanted = "FIELD_NAME" if not value else "END_OBJECT"
        raise BodyError(
            "illegal_argument_exception",
            f"Malformed action/metadata line [{number}], expected {wanted} but found [{found}]",
        )
    kind, head = next(iter(value.items()))
    if kind not in ACTIONS:
        raise BodyError(
            "illegal_argument_exception",
            (
                f"Malformed action/metadata line [{number}], expected field [create], [delete], [index] or "
                f"[update] but found [{kind}]"
            ),
        )
    if head is None:
        head = {}
    if not isinstance(head, dict):
        raise BodyError(
            "illegal_argument_exception",
            f"Malformed action/metadata line [{number}], expected START_OBJECT but found [{token_of(head)}]",
        )
    for name, one in head.items():
        if name not in KNOWN:
            raise BodyError(
                "illegal_argument_exception", f"Action/metadata line [{number}] contains an unknown parameter [{name}]"
            )
        if isinstance(one, dict | list) and name not in ("_source", "dynamic_templates"):
            raise BodyError(
                "illegal_argument_exception",
                (
                    f"Malformed action/metadata line [{number}], expected a simple value for field [{name}] but "
                    f"found [{token_of(one)}]"
                ),
            )
    return kind, head
