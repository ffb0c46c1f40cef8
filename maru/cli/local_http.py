"""HTTP over a unix socket, for the commands that ask a running platform."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from maru.core.document import Value
from maru.core.errors import MaruError, Unavailable

CHUNK_BYTES = 1 << 20


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=600)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def request(path: Path, method: str, target: str, body: BinaryIO | None = None) -> http.client.HTTPResponse:
    """One request; the answer may be streamed. Raises Unavailable, or the server's own complaint."""
    connection = _Connection(path)
    headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"} if body else {}
    chunks = iter(lambda: body.read(CHUNK_BYTES), b"") if body else None
    try:
        connection.request(method, target, body=chunks, headers=headers, encode_chunked=body is not None)
        answer = connection.getresponse()
    except OSError as error:
        raise Unavailable(
            what=f"{method} {target}", why=f"nothing answers on {path}", fix="run `maru up`, or see `maru status`"
        ) from error
    if answer.status >= 400:
        raise MaruError(what=f"{method} {target.partition('?')[0]}", why=_message(answer.read()))
    return answer


def lines(answer: http.client.HTTPResponse) -> Iterator[Value]:
    """The JSON lines of a streamed answer."""
    for line in answer:
        if line.strip():
            yield msgspec.json.decode(line)


def _message(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return body.decode(errors="replace").strip()
