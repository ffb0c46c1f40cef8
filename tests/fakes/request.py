"""A request without a connection, for whoever reads requests."""

from __future__ import annotations

from multidict import CIMultiDict

from maru.core.front.message import Peer


class PlainRequest:
    """As core.front.message.Request, as far as an authenticator looks."""

    def __init__(self, headers=(), peer=None, method="GET", path="/"):
        self.headers = CIMultiDict(headers)
        self.peer = peer or Peer(address="127.0.0.1:1")
        self.method = method
        self.path = path
        self.raw_target = path
        self.query = []

    def header_all(self, name):
        return self.headers.getall(name, [])
