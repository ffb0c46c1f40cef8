"""The errors of the Kubernetes API as a client reads them: a Status body becomes our own class.

The reason decides, as two of them share a code; the code decides where there is no Status, as when
a proxy answers. Source: meta/v1 Status, StatusDetails, StatusReason.
"""

from __future__ import annotations

import msgspec

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

_BY_REASON: dict[str, type[MaruError]] = {
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Invalid": Invalid,
    "BadRequest": Invalid,
    "Unauthorized": Unauthenticated,
    "Forbidden": Denied,
    "Gone": Gone,
    "Expired": Gone,
    "RequestEntityTooLarge": TooLarge,
    "TooManyRequests": Throttled,
    "ServiceUnavailable": Unavailable,
    "Timeout": Deadline,
    "ServerTimeout": Unavailable,
    "MethodNotAllowed": NotSupported,
    "NotAcceptable": NotSupported,
    "UnsupportedMediaType": NotSupported,
    "InternalError": Broken,
}
_BY_CODE: dict[int, type[MaruError]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Denied,
    404: NotFound,
    405: NotSupported,
    406: NotSupported,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: NotSupported,
    422: Invalid,
    429: Throttled,
    500: Broken,
    501: NotSupported,
    502: Unavailable,
    503: Unavailable,
    504: Deadline,
}
_TEXT_MAX = 200  # characters of a body that is no Status


class _Cause(msgspec.Struct):
    field: str = ""
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None
    retry_after_s: int = msgspec.field(name="retryAfterSeconds", default=0)


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


def error_of(code: int, body: bytes, path: str, retry_after: str = "") -> MaruError:
    """The error that an answer with HTTP status `code` (0: a watch event of type ERROR) means.

    details: `causes` (field, reason, message) and `retry_after_s` where the Status has them.
    """
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        status = _Status(message=body[:_TEXT_MAX].decode("utf-8", "replace").strip())
    code = code or status.code
    kind = _BY_REASON.get(status.reason) or _BY_CODE.get(code, Broken)
    details: dict[str, object] = {}
    if status.details is not None and status.details.causes:
        details["causes"] = [msgspec.to_builtins(cause) for cause in status.details.causes]
    wait_s = (status.details.retry_after_s if status.details else 0) or (
        int(retry_after) if retry_after.isdigit() else 0
    )
    if wait_s or kind is Throttled:
        details["retry_after_s"] = wait_s or 1
    error = kind(what=f"API request {path}", why=status.message or f"HTTP status {code}")
    error.details.update(details)
    return error
