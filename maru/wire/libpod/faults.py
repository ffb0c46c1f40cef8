"""Errors as podman says them: a message, its root cause (which clients compare), and the status again.

Source: podman pkg/errorhandling/errorhandling.go ErrorModel; libpod/define/errors.go.
"""

from __future__ import annotations

import re

NO_CONTAINER = "no such container"
NO_IMAGE = "image not known"
NO_NETWORK = "network not found"
NO_POD = "no such pod"
NO_SECRET = "no such secret"  # noqa: S105 - words, not a secret
NO_VOLUME = "no such volume"
NO_EXEC = "no such exec session"
WRONG_STATE = "container state improper"
_SILENCE = ("dial tcp", "net/http: request canceled", "EOF (")
NAME_TAKEN = "that name is already in use"

_ENGINE: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r".*No such container: (.+)"), 'no container with name or ID "{0}" found', NO_CONTAINER),
    (re.compile(r"No such image: (.+)"), "{0}", NO_IMAGE),
    (re.compile(r"get (.+): no such volume"), 'no volume with name "{0}" found', NO_VOLUME),
    (re.compile(r"network (.+) not found"), "unable to find network with name or ID {0}", NO_NETWORK),
    (re.compile(r"No such exec instance: (.+)"), "no exec session with ID {0} found", NO_EXEC),
    (re.compile(r'Conflict\. The container name "/?([^"]+)".*'), 'the container name "{0}" is in use', NAME_TAKEN),
    (re.compile(r"(.*is not running)"), "{0}", WRONG_STATE),
    (re.compile(r"(You cannot remove a .*)"), "{0}", WRONG_STATE),
)
"""What the Docker Engine says, and podman's words for it with their cause."""


def translated(message: str) -> tuple[str, str]:
    """An error of the Docker Engine API in podman's words: message and cause."""
    for pattern, words, cause in _ENGINE:
        found = pattern.fullmatch(message)
        if found is not None:
            return f"{words.format(*found.groups())}: {cause}", cause
    return message, message.rpartition(": ")[2] or message


def fault(message: str, cause: str, status: int) -> dict[str, object]:
    """The body of an answer."""
    return {"cause": cause, "message": message, "response": status}


def is_silence(why: str) -> bool:
    """Whether a registry did not answer at all; policy `newer` then takes the image that is here."""
    return any(words in why for words in _SILENCE)
