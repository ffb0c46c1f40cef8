"""Errors in Elasticsearch's own words: type, reason, status, and the facts it puts beside them.

Every failure is a class of `core/errors` whose details carry the protocol's type; `api/edge.py` writes
the body. Source: Elasticsearch REST API, "Error responses"; org.elasticsearch.ElasticsearchException.
"""

from __future__ import annotations

from maru.core import errors
from maru.wire.elastic.json import Object

_CLASSES: tuple[tuple[int, type[errors.MaruError]], ...] = (
    (400, errors.Invalid),
    (401, errors.Unauthenticated),
    (403, errors.Denied),
    (404, errors.NotFound),
    (405, errors.Invalid),
    (406, errors.Invalid),
    (409, errors.Conflict),
    (413, errors.TooLarge),
    (429, errors.Throttled),
    (501, errors.NotSupported),
    (503, errors.Unavailable),
)


def failure(status: int, kind: str, reason: str, **facts: object) -> errors.MaruError:
    """An error of type `kind`. facts: further members of its body; `caused_by` is one of them."""
    found = dict(_CLASSES).get(status, errors.Broken)
    return found(what=reason, why="", fix="", kind=kind, status=status, facts=facts)


def illegal(reason: str, **facts: object) -> errors.MaruError:
    """illegal_argument_exception, 400."""
    return failure(400, "illegal_argument_exception", reason, **facts)


def parsing(reason: str, **facts: object) -> errors.MaruError:
    """parsing_exception, 400, with a place in the body that is not known exactly."""
    return failure(400, "parsing_exception", reason, **({"line": 1, "col": 1} | facts))


def no_such_index(name: str) -> errors.MaruError:
    """index_not_found_exception, 404."""
    facts = {"resource.type": "index_or_alias", "resource.id": name, "index_uuid": "_na_", "index": name}
    return failure(404, "index_not_found_exception", f"no such index [{name}]", **facts)


def missing(reason: str, **facts: object) -> errors.MaruError:
    """resource_not_found_exception, 404."""
    return failure(404, "resource_not_found_exception", reason, **facts)


def unsupported(what: str) -> errors.MaruError:
    """What the real system can do and Maru cannot: an answer that cannot be taken for a result."""
    return failure(501, "unsupported_operation_exception", f"{what} is not supported by Maru")


def body_of(error: errors.MaruError) -> Object:
    """The `error` object: type, reason and the facts, without root_cause."""
    kind = error.details.get("kind")
    if kind is None:
        return {"type": _plain_kind(error), "reason": str(error)}
    return {"type": kind, "reason": error.what, **error.details.get("facts", {})}


def status_of(error: errors.MaruError) -> int:
    """The HTTP status."""
    if "status" in error.details:
        return int(error.details["status"])
    return next((status for status, kind in _CLASSES if isinstance(error, kind)), 500)


def answer_body(error: errors.MaruError) -> Object:
    """The whole body of a failed request."""
    inner = body_of(error)
    roots = inner.pop("root_cause", None)
    if roots is None:
        cause = {
            name: value
            for name, value in inner.items()
            if name not in ("caused_by", "phase", "grouped", "failed_shards")
        }
        roots = [cause]
    return {"error": {"root_cause": roots, **inner}, "status": status_of(error)}


def _plain_kind(error: errors.MaruError) -> str:
    kinds: tuple[tuple[type[errors.MaruError], str], ...] = (
        (errors.NotFound, "resource_not_found_exception"),
        (errors.AlreadyExists, "resource_already_exists_exception"),
        (errors.Conflict, "version_conflict_engine_exception"),
        (errors.Invalid, "illegal_argument_exception"),
        (errors.Unauthenticated, "security_exception"),
        (errors.Denied, "security_exception"),
        (errors.TooLarge, "content_too_long_exception"),
        (errors.Throttled, "es_rejected_execution_exception"),
        (errors.Unavailable, "unavailable_shards_exception"),
        (errors.Deadline, "timeout_exception"),
        (errors.NotSupported, "unsupported_operation_exception"),
    )
    return next((name for kind, name in kinds if isinstance(error, kind)), "exception")
