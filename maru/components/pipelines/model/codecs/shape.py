"""What a codec is: one that reads may hold a beginning back until its end has come.

A reading codec belongs to one stream (a connection, a file); it is made anew for each.
Source: Logstash reference, "Codec plugins".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from maru.components.pipelines.model.event import Event
from maru.core.document import Value


class Reading(Protocol):
    """One stream's codec."""

    def feed(self, chunk: bytes) -> Sequence[Value]:
        """The fields of the events that are whole now."""
        ...

    def end(self) -> Sequence[Value]:
        """What was held back, when the stream ends or has been silent for a while."""
        ...


MakeReading = Callable[[], Reading]
Write = Callable[[Event], bytes]
"""The bytes of one event, with what parts it from the next."""
