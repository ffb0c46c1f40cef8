"""Small answers that many edges give: JSON, text, and an error in no particular protocol.

Protocol edges have their own table from `core/errors` to what their clients parse; this one serves
edges without such a protocol, and what escapes from all others.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.core import errors
from maru.core.front.message import Answer

_STATUS: tuple[tuple[type[errors.MaruError], int], ...] = (
    (errors.NotFound, 404),
    (errors.AlreadyExists, 409),
    (errors.Conflict, 409),
    (errors.Invalid, 422),
    (errors.Unauthenticated, 401),
    (errors.Denied, 403),
    (errors.TooLarge, 413),
    (errors.Throttled, 429),
    (errors.Unavailable, 503),
    (errors.Deadline, 504),
    (errors.NotSupported, 501),
    (errors.Gone, 410),
)


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """`value` (anything msgspec encodes) as application/json."""
    return Answer(status, msgspec.json.encode(value), {"Content-Type": "application/json", **(headers or {})})


def text_answer(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """`text` as UTF-8 text/plain."""
    return Answer(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8", **(headers or {})})


def error_answer(error: errors.MaruError) -> Answer:
    """The error as JSON with what, why and fix, and its HTTP status; Broken and unknown ones are 500."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    headers = {}
    if status == 429:
        headers["Retry-After"] = str(max(1, round(float(error.details.get("retry_after_s", 1)))))
    return json_answer({"message": str(error), "what": error.what, "why": error.why, "fix": error.fix}, status, headers)
