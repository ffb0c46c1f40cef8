"""What a request's bytes can be wrong about, in AWS's own codes and words."""

from __future__ import annotations

from collections.abc import Mapping


class Fault(Exception):
    """code: as the protocols spell it; status: HTTP; members: further members of the error's shape."""

    def __init__(self, code: str, text: str, status: int = 400, members: Mapping[str, object] | None = None) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.status = status
        self.members = dict(members or {})


def unreadable(text: str = "") -> Fault:
    """SerializationException: the body is no document of the protocol, or a member has the wrong type."""
    return Fault("SerializationException", text)
