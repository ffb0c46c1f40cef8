"""What can go wrong between bytes and values of the Kubernetes API.

These are values of the wire: the API server maps them to its Status answers (Malformed,
StrictDecoding and BadSelector to 400, Untyped to 415, PatchFailed to 422 or 400, ApplyConflict to
409). Messages are worded as the real server words them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class WireError(Exception):
    """The base: `message` is what the client is shown."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Malformed(WireError):
    """The body cannot be read, or a value has the wrong type (400 BadRequest)."""


class UnsupportedMedia(WireError):
    """The content type is none the API reads (415)."""


class Untyped(WireError):
    """A strategic merge patch for a kind without a Go type, such as a custom resource (415)."""


class BadSelector(WireError):
    """A label or field selector that cannot be parsed (400)."""


class StrictDecoding(WireError):
    """Unknown or duplicate fields under fieldValidation=Strict; `messages` names each (400)."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("strict decoding error: " + ", ".join(messages))
        self.messages = tuple(messages)


@dataclass(frozen=True, slots=True)
class FieldCause:
    """One field of a failed patch. reason: as in a Status cause (FieldValueInvalid, ...)."""

    field: str
    reason: str
    message: str


class PatchFailed(WireError):
    """The patch is well formed and does not fit the document (422 Invalid); `causes` may be empty."""

    def __init__(self, message: str, causes: Sequence[FieldCause] = ()) -> None:
        super().__init__(message)
        self.causes = tuple(causes)


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """One field another manager owns. time: RFC 3339 or empty; path: .spec.replicas form."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    path: str

    def owner(self) -> str:
        """The manager as the message shows it."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        if self.operation == "Update":
            text += f" using {self.api_version}"
            if self.time:
                text += f" at {self.time}"
        return text


class ApplyConflict(WireError):
    """A server-side apply without force met fields of other managers (409 Conflict).

    `causes` are ready for Status.details (reason FieldManagerConflict).
    """

    def __init__(self, conflicts: Sequence[FieldConflict]) -> None:
        self.conflicts = tuple(conflicts)
        super().__init__(_conflict_message(self.conflicts))

    @property
    def causes(self) -> tuple[FieldCause, ...]:
        """One per field."""
        return tuple(
            FieldCause(one.path, "FieldManagerConflict", f"conflict with {one.owner()}") for one in self.conflicts
        )


def _conflict_message(conflicts: Sequence[FieldConflict]) -> str:
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: conflict with {conflicts[0].owner()}: {conflicts[0].path}"
    lines: list[str] = []
    for owner in sorted({one.owner() for one in conflicts}):
        lines.append(f"conflicts with {owner}:")
        lines += [f"- {one.path}" for one in conflicts if one.owner() == owner]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
