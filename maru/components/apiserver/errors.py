"""Errors as Kubernetes words them: constructors that carry the details, and the table to Status.

Clients parse `reason`, `code` and `details`, and people read `message`, so both are the real
server's. An error that was made elsewhere (a store's Conflict) gets its class's row of the table.
Source: k8s.io/apimachinery/pkg/api/errors and meta/v1 Status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from maru.core.document import Resource, Value
from maru.core.errors import (
    AlreadyExists,
    Broken,
    Conflict,
    Deadline,
    Denied,
    Gone,
    Invalid,
    MaruError,
    NotFound,
    NotSupported,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from maru.kinds.strategy import Cause
from maru.wire.k8s.errors import ApplyConflict, PatchFailed, UnsupportedMedia, Untyped, WireError

_TABLE: Mapping[type[MaruError], tuple[int, str]] = {
    NotFound: (404, "NotFound"),
    AlreadyExists: (409, "AlreadyExists"),
    Conflict: (409, "Conflict"),
    Invalid: (422, "Invalid"),
    Unauthenticated: (401, "Unauthorized"),
    Denied: (403, "Forbidden"),
    TooLarge: (413, "RequestEntityTooLarge"),
    Throttled: (429, "TooManyRequests"),
    Unavailable: (503, "ServiceUnavailable"),
    Deadline: (504, "Timeout"),
    NotSupported: (501, "NotImplemented"),
    Gone: (410, "Expired"),
    Broken: (500, "InternalError"),
}

OPTIMISTIC_LOCK = "the object has been modified; please apply your changes to the latest version and try again"


def status_of(error: MaruError) -> Value:
    """The Status that says `error`. details of the error that it shows: message, code, reason, name, group, kind,
    uid, causes, retry_after_s. Its keys come in the real server's order: clients compare the text.
    """
    code, reason = _row(error)
    code = int(error.details.get("code", code))
    reason = str(error.details.get("reason", reason))
    status: Value = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.details.get("message") or _message(error),
        "reason": reason,
    }
    details = _details(error)
    if details:
        status["details"] = details
    return {**status, "code": code}


def success(resource: Resource, name: str, uid: str) -> Value:
    """What a delete answers when it is done."""
    group = {"group": resource.group} if resource.group else {}
    details: Value = {"name": name, **group, "kind": resource.plural, "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def qualified(resource: Resource) -> str:
    """The resource as messages name it: pods, deployments.apps."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def not_found(resource: Resource, name: str) -> NotFound:
    """404 for a document."""
    return NotFound(
        what=f'{qualified(resource)} "{name}"',
        why="not found",
        message=f'{qualified(resource)} "{name}" not found',
        **_about(resource, name),
    )


def already_exists(resource: Resource, name: str) -> AlreadyExists:
    """409 for a create."""
    message = f'{qualified(resource)} "{name}" already exists'
    return AlreadyExists(what=message, why="", message=message, **_about(resource, name))


def conflict(resource: Resource, name: str, why: str = OPTIMISTIC_LOCK) -> Conflict:
    """409 for a write that somebody overtook, or that something in the way forbids."""
    message = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
    return Conflict(what=message, why="", message=message, **_about(resource, name))


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> Invalid:
    """422 with its causes; resource.kind stands in details.kind, as in the real answer."""
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    listing = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    label = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'{label} "{name}" is invalid' + (f": {listing}" if texts else "")
    return Invalid(
        what=message,
        why="",
        message=message,
        name=name,
        group=resource.group,
        kind=resource.kind,
        causes=[{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes],
    )


def invalid_options(kind: str, message: str) -> Invalid:
    """422 for parameters; `kind` is the options kind, `message` starts with the parameter's name."""
    field, _, rest = message.partition(": ")
    text = f'{kind}.meta.k8s.io "" is invalid: {message}'
    causes = [{"reason": "FieldValueInvalid", "message": rest, "field": field}]
    return Invalid(what=text, why="", message=text, group="meta.k8s.io", kind=kind, causes=causes)


def bad_request(message: str, causes: Sequence[Value] = ()) -> Invalid:
    """400: the request itself makes no sense."""
    return Invalid(what=message, why="", code=400, reason="BadRequest", message=message, causes=list(causes))


def denied(resource: Resource, name: str, why: str, causes: Sequence[Value] = ()) -> Denied:
    """403 for a document, by admission or authorization."""
    subject = f'{qualified(resource)} "{name}"' if name else qualified(resource)
    message = f"{subject} is forbidden: {why}"
    return Denied(what=message, why="", message=message, causes=list(causes), **_about(resource, name))


def method_not_allowed(
    message: str = "the server does not allow this method on the requested resource",
) -> NotSupported:
    """405."""
    return NotSupported(what=message, why="", code=405, reason="MethodNotAllowed", message=message)


def not_acceptable(offered: Iterable[str]) -> Invalid:
    """406: no form the client takes is made here."""
    message = "only the following media types are accepted: " + ", ".join(offered)
    return Invalid(what=message, why="", code=406, reason="NotAcceptable", message=message)


def unsupported_media(offered: Iterable[str], got: str) -> Invalid:
    """415: the body's form is not read here."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(offered)}"
    return Invalid(what=message, why=got, code=415, reason="UnsupportedMediaType", message=message)


def expired(message: str) -> Gone:
    """410: a revision or a continue token that is no longer kept."""
    return Gone(what=message, why="", message=message)


def from_wire(error: WireError) -> MaruError:
    """What the wire could not read or carry out, as the API answers it."""
    message = error.message
    if isinstance(error, ApplyConflict):
        causes = [{"reason": one.reason, "message": one.message, "field": one.field} for one in error.causes]
        return Conflict(what=message, why="", message=message, causes=causes)
    if isinstance(error, (UnsupportedMedia, Untyped)):
        return Invalid(what=message, why="", code=415, reason="UnsupportedMediaType", message=message)
    if isinstance(error, PatchFailed):
        causes = [{"reason": one.reason, "message": one.message, "field": one.field} for one in error.causes]
        return Invalid(what=message, why="", message=message, causes=causes)
    return bad_request(message)


def raise_causes(resource: Resource, name: str, causes: Sequence[Cause]) -> None:
    """Raise 422 if there are causes."""
    if causes:
        raise invalid(resource, name, causes)


def no_path() -> NoReturn:
    """404 for a resource path that nothing serves."""
    message = "the server could not find the requested resource"
    raise NotFound(what=message, why="", message=message)


def _about(resource: Resource, name: str) -> Value:
    return {"name": name, "group": resource.group, "kind": resource.plural}


def _row(error: MaruError) -> tuple[int, str]:
    for kind in type(error).__mro__:
        row = _TABLE.get(kind)
        if row is not None:
            return row
    return 500, "InternalError"


def _message(error: MaruError) -> str:
    if isinstance(error, Unauthenticated):
        return "Unauthorized"
    return str(error)


def _details(error: MaruError) -> Value:
    details: Value = {key: error.details[key] for key in ("name", "group", "kind", "uid") if error.details.get(key)}
    if "kind" not in details and error.details.get("resource"):
        details["kind"] = error.details["resource"]
    causes = error.details.get("causes")
    if causes:
        details["causes"] = list(causes)
    retry_after_s = error.details.get("retry_after_s")
    if retry_after_s:
        details["retryAfterSeconds"] = max(1, int(retry_after_s))
    return details
