"""An answer's head as bytes, and how its body is told from what follows.

A body of known length has Content-Length; a stream of unknown length goes in chunks, or (HTTP/1.0) ends with the
connection. Source: RFC 9110, sections 6.6, 8.3 and 15; RFC 9112, sections 6 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import HttpVersion11
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_parser import RawRequestMessage

from maru.core.front.message import Answer

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_NO_BODY = frozenset((204, 304, *range(100, 200)))
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class Frame:
    """head: to its empty line. length: of the body, -1 if unknown; has_body: whether one is sent at all.

    is_chunked: it goes in chunks. keeps: whether the connection is for further requests.
    """

    head: bytes
    length: int
    has_body: bool
    is_chunked: bool
    keeps: bool


def frame(answer: Answer, message: RawRequestMessage, *, closes: bool) -> Frame:
    """How to send `answer` to `message`. closes: the connection ends with it, whatever the client asked for.

    Raises ValueError if a header would break the head.
    """
    status, body = answer.status, answer.body
    is_current = message.version >= HttpVersion11
    keeps = not (closes or message.should_close)
    may_have_body = status not in _NO_BODY
    lines = [f"HTTP/{'1.1' if is_current else '1.0'} {_STATUS_LINES.get(status) or status}"]
    said = set()
    length = len(body) if isinstance(body, bytes) else -1
    for name, value in answer.headers.items():
        lower = name.lower()
        if lower == "content-length":
            if not may_have_body:
                continue
            length = int(value)
        elif lower == "connection" and value.lower() == "close":
            keeps = False
        said.add(lower)
        lines.append(f"{name}: {value}")
    has_body = may_have_body and message.method != "HEAD"
    is_chunked = has_body and length < 0 and is_current
    if is_chunked:
        lines.append("Transfer-Encoding: chunked")
    elif has_body and length < 0:
        keeps = False
    if may_have_body and length >= 0 and "content-length" not in said:
        lines.append(f"Content-Length: {length}")
    if has_body and length and "content-type" not in said:
        lines.append("Content-Type: application/octet-stream")
    if "date" not in said:
        lines.append(f"Date: {rfc822_formatted_time()}")
    if "server" not in said:
        lines.append("Server: Maru")
    if "connection" not in said and keeps is not is_current:
        lines.append(f"Connection: {'keep-alive' if keeps else 'close'}")
    head = "\r\n".join(lines)
    if head.count("\n") >= len(lines) or head.count("\r") >= len(lines) or "\0" in head:
        raise ValueError("a header of the answer holds a line break")
    return Frame(f"{head}\r\n\r\n".encode(), length, has_body, is_chunked, keeps)
