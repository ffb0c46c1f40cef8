"""Organizations' own errors: its code, its text, and the reason where the shape has one.

Source: AWS Organizations API reference, "Errors" of each operation; texts as the service sends them.
"""

from __future__ import annotations

from maru.core.errors import AlreadyExists, Conflict, Denied, Invalid, MaruError, NotFound, TooLarge

_MISSING = {
    "AccountNotFoundException": "You specified an account that doesn't exist.",
    "OrganizationalUnitNotFoundException": "You specified an organizational unit that doesn't exist.",
    "ParentNotFoundException": "You specified a parent that doesn't exist.",
    "SourceParentNotFoundException": "You specified a source parent that doesn't exist.",
    "DestinationParentNotFoundException": "You specified a destination parent that doesn't exist.",
    "ChildNotFoundException": "You specified a child that doesn't exist.",
    "RootNotFoundException": "You specified a root that doesn't exist.",
    "PolicyNotFoundException": "We can't find a policy with the PolicyId that you specified.",
    "TargetNotFoundException": "You specified a target that doesn't exist.",
    "HandshakeNotFoundException": "You specified a handshake that doesn't exist.",
    "CreateAccountStatusNotFoundException": "You specified an create account request that doesn't exist.",
    "ResourcePolicyNotFoundException": "You specified a resource policy that doesn't exist.",
    "EffectivePolicyNotFoundException": "There is no effective policy of the specified type for the account.",
}


def missing(code: str, text: str = "") -> NotFound:
    """One of the NotFound errors of the model, by its code; `text`: where an operation has words of its own."""
    return NotFound(what=text or _MISSING[code], why="", code=code)


def not_in_use() -> NotFound:
    """The caller's account is in no organization."""
    text = "Your account is not a member of an organization."
    return NotFound(what=text, why="", code="AWSOrganizationsNotInUseException")


def invalid(text: str = "You specified an invalid value.", reason: str = "") -> Invalid:
    """InvalidInputException."""
    return Invalid(what=text, why="", code="InvalidInputException", members={"Reason": reason} if reason else {})


def invalid_pattern() -> Invalid:
    """A value of the wrong form."""
    return invalid("You provided a value that does not match the required pattern.", "INVALID_PATTERN")


def violated(reason: str, text: str) -> MaruError:
    """ConstraintViolationException."""
    kind = TooLarge if "LIMIT" in reason else Conflict
    return kind(what=text, why="", code="ConstraintViolationException", members={"Reason": reason})


def handshake_violated(reason: str, text: str) -> Conflict:
    """HandshakeConstraintViolationException."""
    return Conflict(what=text, why="", code="HandshakeConstraintViolationException", members={"Reason": reason})


def denied(text: str = "You don't have permissions to access this resource.") -> Denied:
    """AccessDeniedException: what only the management account may."""
    return Denied(what=text, why="", code="AccessDeniedException")


def conflict(code: str, text: str) -> Conflict:
    """What the present state forbids, by its code."""
    return Conflict(what=text, why="", code=code)


def duplicate(code: str, text: str) -> AlreadyExists:
    """What is there already, by its code."""
    return AlreadyExists(what=text, why="", code=code)


def malformed_policy() -> Invalid:
    """MalformedPolicyDocumentException."""
    text = "The provided policy document does not meet the requirements of the specified policy type."
    return Invalid(what=text, why="", code="MalformedPolicyDocumentException")
