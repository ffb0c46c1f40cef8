"""Choosing the protocol of a stream and taking the connection over.

Source: Kubernetes API reference, "exec", "attach" and "portforward"; k8s.io/apimachinery,
pkg/util/httpstream (X-Stream-Protocol-Version).
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.node.streaming import spdy_command, spdy_forward, websocket_command, websocket_forward
from maru.components.node.streaming.interface import Streams
from maru.components.node.streaming.spdy_command import SpdyCommand
from maru.components.node.streaming.spdy_forward import SpdyForward, Tunnel
from maru.components.node.streaming.spdy_session import SpdySession
from maru.components.node.streaming.websocket import WebSocket, handshake_headers, is_websocket, offered_protocols
from maru.components.node.streaming.websocket_command import WebSocketCommand
from maru.components.node.streaming.websocket_forward import WebSocketForward
from maru.core.errors import Invalid
from maru.core.front.message import Request

HEADER = "X-Stream-Protocol-Version"


async def upgrade_command(request: Request, streams: Streams) -> WebSocketCommand | SpdyCommand:
    """The client of an exec or attach, after the 101. Raises Invalid when no protocol fits."""
    if is_websocket(request):
        offered = offered_protocols(request)
        protocol = websocket_command.choose_protocol(tuple(offered))
        if protocol is None:
            raise _no_protocol(offered, websocket_command.PROTOCOLS)
        socket = WebSocket(await request.upgrade(handshake_headers(request, protocol)))
        return WebSocketCommand(socket, protocol, streams)
    offered = _spdy_offered(request)
    chosen = spdy_command.choose_protocol(offered)
    if chosen is None:
        raise _no_protocol(offered, spdy_command.PROTOCOLS)
    return SpdyCommand(await _upgrade_spdy(request, chosen if offered else ""), chosen, streams)


async def upgrade_forward(request: Request) -> SpdyForward | WebSocketForward:
    """The client of a port-forward, after the 101. Raises Invalid when no protocol fits."""
    if not is_websocket(request):
        offered = _spdy_offered(request)
        if offered and spdy_forward.PROTOCOL not in offered:
            raise _no_protocol(offered, (spdy_forward.PROTOCOL,))
        return SpdyForward(await _upgrade_spdy(request, spdy_forward.PROTOCOL if offered else ""))
    offered = offered_protocols(request)
    if spdy_forward.TUNNEL_PROTOCOL in offered:
        headers = handshake_headers(request, spdy_forward.TUNNEL_PROTOCOL)
        return SpdyForward(SpdySession(Tunnel(WebSocket(await request.upgrade(headers)))))
    protocol = next((name for name in offered if name in websocket_forward.PROTOCOLS), None if offered else "")
    if protocol is None:
        raise _no_protocol(offered, (spdy_forward.TUNNEL_PROTOCOL, *websocket_forward.PROTOCOLS))
    ports = _ports(request)
    socket = WebSocket(await request.upgrade(handshake_headers(request, protocol)))
    return WebSocketForward(socket, protocol, ports)


async def _upgrade_spdy(request: Request, protocol: str) -> SpdySession:
    if not request.headers.get("Upgrade", "").lower().startswith("spdy/3"):
        raise Invalid(what="unable to upgrade", why="missing upgrade headers in request", fix="")
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    if protocol:
        headers[HEADER] = protocol
    return SpdySession(await request.upgrade(headers))


def _spdy_offered(request: Request) -> Sequence[str]:
    return [word.strip() for line in request.header_all(HEADER) for word in line.split(",") if word.strip()]


def _ports(request: Request) -> Sequence[int]:
    texts = [text for name, value in request.query if name in ("ports", "port") for text in value.split(",")]
    ports = [int(text) for text in texts if text.isdigit() and 0 < int(text) < 65536]
    if not ports or len(ports) != len(texts):
        raise Invalid(what="query parameter `ports`", why="it must name ports from 1 to 65535", fix="")
    return ports


def _no_protocol(offered: Sequence[str], known: Sequence[str]) -> Invalid:
    why = f"none of the offered protocols [{' '.join(offered)}] is one of [{' '.join(known)}]"
    return Invalid(what="unable to upgrade", why=why, fix="")
