"""IAM's and STS's own errors: code and text, over the closest class of core/errors.

Source: IAM API reference and STS API reference, "Errors" of each operation; texts as the services send them.
"""

from __future__ import annotations

from maru.core.errors import AlreadyExists, Conflict, Denied, Invalid, MaruError, NotFound, NotSupported, TooLarge


def no_such(text: str) -> NotFound:
    """NoSuchEntity."""
    return NotFound(what=text, why="", code="NoSuchEntity", status=404)


def already_exists(text: str) -> AlreadyExists:
    """EntityAlreadyExists."""
    return AlreadyExists(what=text, why="", code="EntityAlreadyExists", status=409)


def delete_conflict(text: str) -> Conflict:
    """DeleteConflict."""
    return Conflict(what=text, why="", code="DeleteConflict", status=409)


def limit_exceeded(text: str) -> TooLarge:
    """LimitExceeded."""
    return TooLarge(what=text, why="", code="LimitExceeded", status=409)


def invalid_input(text: str) -> Invalid:
    """InvalidInput."""
    return Invalid(what=text, why="", code="InvalidInput", status=400)


def validation(text: str) -> Invalid:
    """ValidationError."""
    return Invalid(what=text, why="", code="ValidationError", status=400)


def malformed_policy(text: str) -> Invalid:
    """MalformedPolicyDocument."""
    return Invalid(what=text, why="", code="MalformedPolicyDocument", status=400)


def unmodifiable(text: str) -> Denied:
    """UnmodifiableEntity."""
    return Denied(what=text, why="", code="UnmodifiableEntity", status=400)


def access_denied(text: str) -> Denied:
    """AccessDenied."""
    return Denied(what=text, why="", code="AccessDenied", status=403)


def unsupported(text: str) -> NotSupported:
    """What Maru cannot do."""
    return NotSupported(what=text, why="", code="NotImplemented", status=501)


def coded(code: str, text: str, status: int = 400) -> MaruError:
    """Any other error of the models by its code."""
    return Invalid(what=text, why="", code=code, status=status)
