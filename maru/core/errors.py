"""The closed list of what can go wrong, in Maru's own words.

Every error says what failed, why, and what mends it. Protocol edges turn a class into their own
answer through one table each (a Kubernetes Status, an AWS code, a Docker message); nothing else
about the error crosses the wire. `details` carries facts a protocol has a field for, such as the
causes of an Invalid.
"""

from __future__ import annotations

from typing import Any


class MaruError(Exception):
    """An expected failure: `what` failed, `why`, and the `fix` that mends it (may be empty).

    `details` holds protocol-neutral facts (plain JSON values) for edges that can show them.
    """

    def __init__(self, *, what: str, why: str, fix: str = "", **details: Any) -> None:
        super().__init__(what, why, fix)
        self.what = what
        self.why = why
        self.fix = fix
        self.details = details

    def __str__(self) -> str:
        text = f"{self.what}: {self.why}" if self.why else self.what
        return f"{text} ({self.fix})" if self.fix else text


class NotFound(MaruError):
    """The thing named is not there."""


class AlreadyExists(MaruError):
    """A thing of that name is there already."""


class Conflict(MaruError):
    """The thing changed since the caller read it, or another owner holds the field."""


class Invalid(MaruError):
    """The request can be read, but breaks a rule; `causes` in details lists the fields."""


class Unauthenticated(MaruError):
    """No caller could be established."""


class Denied(MaruError):
    """The caller is known and may not do this."""


class TooLarge(MaruError):
    """The request is over a bound of `core/limits.py`."""


class Throttled(MaruError):
    """Too many requests or too early; `retry_after_s` in details says when to come again."""


class Unavailable(MaruError):
    """Something this depends on is down or not ready; trying again can help."""


class Deadline(MaruError):
    """It took longer than the caller allowed."""


class NotSupported(MaruError):
    """The real system can do this and Maru cannot yet."""


class Gone(MaruError):
    """What was asked for was there and is no more: a revision that was compacted away."""


class Broken(MaruError):
    """An invariant does not hold: a bug of ours, or damage on disk."""
