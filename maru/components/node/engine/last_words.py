"""A container's termination message: what it wrote to its file, or the end of its log.

At most 4096 bytes of the file; of the log the last 80 lines, at most 2048 bytes.
Source: Kubernetes documentation, "Determine the Reason for Pod Failure".
"""

from __future__ import annotations

import os
from pathlib import Path

from maru.components.node.model.cri_log import parse_line

FILE_BYTES_MAX = 4096
LOG_BYTES_MAX = 2048
LOG_LINES_MAX = 80
_TAIL_BYTES = 64 * 1024


def last_words_blocking(path: Path, log_path: str) -> str:
    """From the file; from `log_path` ("" for never) when the file is empty."""
    text = ""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        pass
    else:
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
    return text or (_log_end(Path(log_path)) if log_path else "")


def _log_end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return ""
    parsed = [line for line in map(parse_line, lines) if line is not None]
    contents = b"".join(line.content + (b"" if line.is_partial else b"\n") for line in parsed[-LOG_LINES_MAX:])
    return contents[-LOG_BYTES_MAX:].decode("utf-8", "replace")
