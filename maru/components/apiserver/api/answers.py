"""Answers of the API: JSON with its headers, errors as Status, warnings.

Source: Kubernetes API concepts; RFC 7234 section 5.5 (the Warning header, code 299).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from maru.components.apiserver.api.render import finish
from maru.components.apiserver.errors import status_of
from maru.components.apiserver.model.negotiate import JSON
from maru.core.document import Value
from maru.core.errors import MaruError
from maru.core.front.message import Answer

_JSON_HEADERS = {"Content-Type": JSON, "Cache-Control": "no-cache, private"}


def of_bytes(
    body: bytes, status: int = 200, *, content_type: str = JSON, warnings: Sequence[str] = (), pretty: bool = False
) -> Answer:
    """JSON or YAML bytes."""
    if content_type == JSON and not warnings:
        return Answer(status, finish(body, JSON, pretty=True) if pretty else body, _JSON_HEADERS)
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache, private"}
    if warnings:
        headers["Warning"] = ", ".join(f'299 - "{_quotable(text)}"' for text in warnings)
    return Answer(status, body, headers)


def of_value(value: Value, status: int = 200, *, media: str = JSON, warnings: Sequence[str] = ()) -> Answer:
    """A value as JSON or YAML; it ends with a line feed, as the real server's do."""
    body = finish(msgspec.json.encode(value) + b"\n", media)
    return of_bytes(body, status, content_type=media, warnings=warnings)


def of_error(error: MaruError, *, media: str = JSON, warnings: Sequence[str] = ()) -> Answer:
    """The Status that says `error`."""
    status = status_of(error)
    if error.details.get("continuation"):
        status["metadata"] = {"continue": error.details["continuation"]}
    warnings = warnings or error.details.get("warnings") or ()
    answer = of_value(status, status["code"], media=media, warnings=warnings)
    seconds = (status.get("details") or {}).get("retryAfterSeconds")
    if seconds:
        return Answer(answer.status, answer.body, {**answer.headers, "Retry-After": str(seconds)})
    return answer


def of_text(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Plain text."""
    return Answer(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8", **(headers or {})})


def error_line(error: MaruError) -> bytes:
    """The ERROR event that ends a watch."""
    return b'{"type":"ERROR","object":' + msgspec.json.encode(status_of(error)) + b"}\n"


def _quotable(text: str) -> str:
    clean = "".join(sign if sign.isprintable() else " " for sign in text)
    return clean.replace("\\", "\\\\").replace('"', '\\"')
