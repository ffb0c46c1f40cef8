"""One call of grpc.health.v1.Health/Check over plain HTTP/2.

Sans-IO HTTP/2 by the h2 library; the two messages are a few bytes, so they are written by hand.
Source: gRPC health checking protocol; gRPC over HTTP/2; Protocol Buffers encoding.
"""

from __future__ import annotations

import asyncio

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

_STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_READ_BYTES = 65536
_STREAM = 1


async def check_health(host: str, port: int, service: str) -> str:
    """SERVING, NOT_SERVING, UNKNOWN, SERVICE_UNKNOWN, or what the server said instead. Raises OSError."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        connection.initiate_connection()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", f"{host}:{port}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "kube-probe/1.36"),
        ]
        connection.send_headers(_STREAM, headers)
        connection.send_data(_STREAM, _request(service), end_stream=True)
        return await _answer(reader, writer, connection)
    except ProtocolError as error:
        raise ConnectionError(str(error)) from error
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: H2Connection) -> str:
    body = bytearray()
    headers: dict[str, str] = {}
    while True:
        writer.write(connection.data_to_send())
        await writer.drain()
        chunk = await reader.read(_READ_BYTES)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        for event in connection.receive_data(chunk):
            if _take(event, connection, body, headers):
                return _verdict(bytes(body), headers)


def _take(event: Event, connection: H2Connection, body: bytearray, headers: dict[str, str]) -> bool:
    """Note what the event brings; True when the answer is complete."""
    if isinstance(event, ResponseReceived | TrailersReceived):
        headers.update({str(name): str(value) for name, value in event.headers or ()})
    elif isinstance(event, DataReceived):
        body += event.data
        connection.acknowledge_received_data(event.flow_controlled_length, _STREAM)
    elif isinstance(event, StreamReset | ConnectionTerminated):
        code = event.error_code
        raise ConnectionError(f"stream ended: {ErrorCodes(code).name if code is not None else 'unknown'}")
    return isinstance(event, StreamEnded)


def _request(service: str) -> bytes:
    """HealthCheckRequest{service} in its length-prefixed frame."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _verdict(body: bytes, headers: dict[str, str]) -> str:
    code = headers.get("grpc-status", "0")
    if code != "0":
        return "SERVICE_UNKNOWN" if code == "5" else f"grpc-status {code}: {headers.get('grpc-message', '')}"
    message = body[5:]
    status = message[1] if len(message) >= 2 and message[0] == 0x08 else 0
    return _STATUSES.get(status, str(status))
