"""The named patterns that grok expressions are made of: those of the field, and those a user adds.

One file per kind of log, `NAME pattern` on a line, `#` begins a remark. Two spellings are there: the
legacy names of fields (clientip) and those of the Elastic Common Schema ([source][address]).
Source: Logstash reference, "Grok filter plugin" (patterns, ecs_compatibility); the logs' own formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from maru.core.errors import Invalid

LEGACY, ECS = "legacy", "ecs"
FOLDER = "patterns"


@lru_cache(maxsize=2)
def library(spelling: str) -> Mapping[str, str]:
    """All patterns by name: those both spellings share, and those of `spelling` (legacy or ecs). Read once."""
    folder = files("maru.components.pipelines.model.grok") / FOLDER
    found: dict[str, str] = {}
    for part in ("common", spelling):
        for file in sorted((folder / part).iterdir(), key=lambda entry: entry.name):
            found |= read_patterns(file.read_text(encoding="utf-8"), file.name)
    return found


def read_patterns(text: str, name: str) -> Mapping[str, str]:
    """The patterns of one file. Raises Invalid for a line that is neither a pattern nor a remark."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.rstrip()
        if not stripped or stripped.lstrip().startswith("#"):
            continue
        word, _, pattern = stripped.partition(" ")
        if not pattern:
            raise Invalid(
                what=f"pattern file {name}, line {number}", why="a name without a pattern", fix="write: NAME pattern"
            )
        found[word] = pattern.lstrip(" ")
    return found
