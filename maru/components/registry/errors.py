"""The distribution API's error codes, and what each means here.

Source: OCI distribution specification 1.1, "Error Codes".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.core import errors
from maru.core.document import Value

STATUS_OF: Mapping[str, int] = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 404,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "PAGINATION_NUMBER_INVALID": 400,
    "SIZE_INVALID": 400,
    "TAG_INVALID": 400,
    "UNSUPPORTED": 405,
    "TOOMANYREQUESTS": 429,
    "UNAUTHORIZED": 401,
    "UNAVAILABLE": 503,
}
_CODE_OF: tuple[tuple[type[errors.MaruError], str], ...] = (
    (errors.NotFound, "BLOB_UNKNOWN"),
    (errors.TooLarge, "SIZE_INVALID"),
    (errors.Throttled, "TOOMANYREQUESTS"),
    (errors.Deadline, "BLOB_UPLOAD_INVALID"),
    (errors.Invalid, "BLOB_UPLOAD_INVALID"),
    (errors.NotSupported, "UNSUPPORTED"),
)


def refusal(code: str, message: str, detail: object = None, **more: object) -> errors.MaruError:
    """An error whose answer is `code`. more: `status` in place of the code's own, `headers` to add."""
    status = STATUS_OF[code]
    kind = errors.NotFound if status == 404 else errors.Throttled if status == 429 else errors.Invalid
    return kind(what=message, why="", fix="", code=code, detail=detail, **more)


def answer_of(error: errors.MaruError) -> tuple[int, Value]:
    """Status and body of an error. Unavailable and what else stands in no table are 503."""
    code = error.details.get("code") or next(
        (code for kind, code in _CODE_OF if isinstance(error, kind)), "UNAVAILABLE"
    )
    status = error.details.get("status") or (413 if isinstance(error, errors.TooLarge) else STATUS_OF[code])
    entry = {"code": code, "message": str(error), "detail": error.details.get("detail")}
    return int(status), {"errors": [entry]}
