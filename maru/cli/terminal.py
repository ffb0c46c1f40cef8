"""How things look on a terminal: tables that align, colour where it is one, errors with their mend."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from maru.core.errors import MaruError

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")

GREEN, RED, YELLOW, DIM, BOLD = "32", "31", "33", "2", "1"


def colour(text: str, code: str) -> str:
    """`text` in an SGR colour, if standard output is a terminal and NO_COLOR is not set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, three spaces between, no trailing blanks."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(width_of(line[index]) for line in lines) for index in range(len(header))]
    return "\n".join(
        "   ".join(pad(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def width_of(text: str) -> int:
    """The columns that `text` takes on a terminal: colours take none."""
    return len(_ESCAPES.sub("", text))


def pad(text: str, width: int) -> str:
    """`text` with blanks behind it up to `width` columns."""
    return text + " " * (width - width_of(text))


def say(text: str = "") -> None:
    """One line to standard output, at once."""
    print(text, flush=True)


def complain(error: MaruError) -> None:
    """What failed, why, and what mends it, on standard error; two lines however long the reason."""
    what, why, fix = (" ".join(text.split()) for text in (error.what, error.why, error.fix))
    sys.stderr.write(f"maru: {what}: {why}\n" if why else f"maru: {what}\n")
    if fix:
        sys.stderr.write(f"  to mend it: {fix}\n")


def duration(seconds: float) -> str:
    """A span for people: 42s, 3m10s, 5h02m, 3d4h."""
    whole = int(seconds)
    if whole < 100:
        return f"{whole}s"
    if whole < 6000:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def mebibytes(size_bytes: int) -> str:
    """A size for people, in MiB."""
    return f"{size_bytes / 1024 / 1024:.1f} MiB"
