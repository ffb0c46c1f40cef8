"""KMS's own errors: its code and its text, over the closest class of core/errors.

Source: AWS KMS API reference, "Errors" of each operation and "Common errors"; texts as the service sends them.
"""

from __future__ import annotations

from maru.core.errors import AlreadyExists, Conflict, Denied, Invalid, MaruError, NotFound, NotSupported, TooLarge


def invalid(text: str) -> Invalid:
    """ValidationException."""
    return Invalid(what=text, why="", code="ValidationException")


def malformed_policy(text: str) -> Invalid:
    """MalformedPolicyDocumentException."""
    return Invalid(what=text, why="", code="MalformedPolicyDocumentException")


def not_found(text: str) -> NotFound:
    """NotFoundException."""
    return NotFound(what=text, why="", code="NotFoundException")


def already_exists(text: str) -> AlreadyExists:
    """AlreadyExistsException."""
    return AlreadyExists(what=text, why="", code="AlreadyExistsException")


def disabled(arn: str) -> Conflict:
    """DisabledException."""
    return Conflict(what=f"{arn} is disabled.", why="", code="DisabledException")


def wrong_state(text: str) -> Conflict:
    """KMSInvalidStateException."""
    return Conflict(what=text, why="", code="KMSInvalidStateException")


def unsupported(text: str) -> NotSupported:
    """UnsupportedOperationException: what this key can never do, or what Maru cannot."""
    return NotSupported(what=text, why="", code="UnsupportedOperationException")


def wrong_usage(text: str) -> Invalid:
    """InvalidKeyUsageException."""
    return Invalid(what=text, why="", code="InvalidKeyUsageException")


def limit_exceeded(text: str) -> TooLarge:
    """LimitExceededException."""
    return TooLarge(what=text, why="", code="LimitExceededException")


def coded(code: str, text: str = "") -> MaruError:
    """Any other error of the model by its code; most of them carry no text."""
    if code == "NotAuthorizedException":
        return Denied(what=text, why="", code=code)
    return Invalid(what=text, why="", code=code)


def denied(text: str) -> Denied:
    """AccessDeniedException, where the authorizer is not asked."""
    return Denied(what=text, why="", code="AccessDeniedException")


def incorrect_key() -> MaruError:
    """A ciphertext is to be decrypted under another key than it was encrypted under."""
    return coded(
        "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."
    )


def dry_run() -> MaruError:
    """What a request with DryRun is answered that would have succeeded."""
    return coded("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
