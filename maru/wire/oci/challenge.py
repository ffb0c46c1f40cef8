"""What a registry asks for when it answers 401.

Source: RFC 9110 section 11.6.1 (WWW-Authenticate); OCI distribution specification, token authentication.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*')
_SCHEME = re.compile(rf"\s*({_WORD})(?:\s+|$|(?=,))")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate. scheme: lower case; parameters: names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> Sequence[Challenge]:
    """All challenges of one header value; what cannot be read is skipped."""
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    position = 0
    while position < len(header):
        parameter = _PARAMETER.match(header, position)
        scheme = _SCHEME.match(header, position)
        if parameter and challenges:
            quoted, plain = parameter.group(2), parameter.group(3)
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            parameters[parameter.group(1).lower()] = value
            position = parameter.end()
        elif scheme:
            parameters = {}
            challenges.append(Challenge(scheme.group(1).lower(), parameters))
            position = scheme.end()
        else:
            position += 1
        while position < len(header) and header[position] in ", ":
            position += 1
    return challenges
