"""What of a request the front reads at once: its head, in the forms that signatures and routing need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from maru.core.front.message import Request
from maru.wire.aws.signature import header_names


@dataclass(slots=True)
class Head:
    """path, query: as sent, encoded. headers: lower-case names, values of repeated ones joined by commas."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw_target: str
    pairs: Sequence[tuple[str, str]] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """As the client sent it."""
        return self.headers.get("host", "")


def read_head(request: Request) -> Head:
    """The head of a request; query parameters decoded, the first of a repeated name in `parameters`."""
    target = request.raw_target
    if target[:1] not in ("/", "*"):  # the absolute form, as proxies send it
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    headers = header_names(list(request.headers.items()))
    head = Head(request.method, path, query, headers, target)
    if query:
        pairs = []
        for part in query.split("&"):
            if part:
                name, _, value = part.partition("=")
                pairs.append((unquote_plus(name), unquote_plus(value)))
        head.pairs = pairs
        head.parameters = dict(reversed(pairs))
    return head
