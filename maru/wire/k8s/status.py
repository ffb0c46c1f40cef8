"""meta/v1 Status bodies, exactly as clients parse them.

Source: Kubernetes API conventions, "Response Status Kind".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from maru.wire.k8s.errors import FieldCause
from maru.wire.k8s.schema import Value


class StatusDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What a Status is about. kind: the resource's plural (as the real server fills it)."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: Sequence[FieldCause] = ()
    retry_after_s: int = 0


def failure(code: int, reason: str, message: str, details: StatusDetails | None = None) -> Value:
    """A failed request. reason: NotFound, AlreadyExists, Conflict, Invalid, BadRequest, ..."""
    return _status("Failure", message, reason, details, code)


def success(details: StatusDetails | None = None, code: int = 0, message: str = "") -> Value:
    """A request that worked and has no document to show; a delete answers it without a code."""
    return _status("Success", message, "", details, code)


def _status(status: str, message: str, reason: str, details: StatusDetails | None, code: int) -> Value:
    body: Value = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": status}
    if message:
        body["message"] = message
    if reason:
        body["reason"] = reason
    shown = _details(details) if details else {}
    if shown:
        body["details"] = shown
    if code:
        body["code"] = code
    return body


def _details(details: StatusDetails) -> Value:
    shown: Value = {
        key: text
        for key, text in (
            ("name", details.name),
            ("group", details.group),
            ("kind", details.kind),
            ("uid", details.uid),
        )
        if text
    }
    if details.causes:
        shown["causes"] = [_cause(cause) for cause in details.causes]
    if details.retry_after_s:
        shown["retryAfterSeconds"] = details.retry_after_s
    return shown


def _cause(cause: FieldCause) -> Value:
    shown = {"reason": cause.reason, "message": cause.message, "field": cause.field}
    return {key: text for key, text in shown.items() if text}
