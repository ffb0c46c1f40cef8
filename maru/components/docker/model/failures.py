"""Why a command did not start, in the words the Engine's clients look for, and the code that says it.

crun and runc word it differently; the docker command line finds 126 and 127 by the text.
Source: moby daemon/start.go, daemon/errors.go translateContainerdStartErr; docker/cli run.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOT_FOUND = re.compile(r"executable file `?\"?([^`\"]+)`?\"? not found|exec: \"([^\"]+)\": executable file not found")


@dataclass(frozen=True, slots=True)
class Failure:
    """words: what stands behind "OCI runtime ... failed:". code: 126 (found, cannot be run), 127, or 128."""

    words: str
    code: int


def failure_of(said: str, command: str) -> Failure:
    """From the runtime's own words. command: the first word that was to be run."""
    lower = said.lower()
    prefix = f'unable to start container process: exec: "{command}": '
    if _NOT_FOUND.search(said) or ("no such file" in lower and "/" not in command):
        return Failure(f"{prefix}executable file not found in $PATH: unknown", 127)
    if "permission denied" in lower:
        return Failure(f"{prefix}permission denied: unknown", 126)
    if "is a directory" in lower:
        return Failure(f"{prefix}is a directory: unknown", 126)
    if "exec format error" in lower:
        return Failure(f"{prefix}exec format error: unknown", 126)
    if "no such file" in lower and (command in said or "open executable" in lower or "chdir" not in lower):
        if "cwd" in lower or "chdir" in lower:
            return Failure(f"unable to start container process: {said}: unknown", 126)
        return Failure(f"{prefix}stat {command}: no such file or directory: unknown", 127)
    return Failure(f"unable to start container process: {said}: unknown", 128)


def start_words(failure: Failure) -> str:
    """The message of a start that failed."""
    create = "failed to create task for container: failed to create shim task: OCI runtime create failed"
    return f"{create}: runc create failed: {failure.words}"


def exec_words(failure: Failure) -> str:
    """The message of an exec that failed."""
    return f"OCI runtime exec failed: exec failed: {failure.words}"
