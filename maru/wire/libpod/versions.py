"""API versions: what is spoken here, and what a path may ask for.

Paths of podman's own API are /v5.5.2/libpod/...; without a version they mean the newest.
Source: podman 5.5, version/version.go, pkg/api/server/handler_api.go, pkg/api/handlers/utils/handler.go.
"""

from __future__ import annotations

import re

VERSION = "5.5.2"
VERSION_MIN = "4.0.0"
COMPATIBLE = "1.41"

_PREFIX = re.compile(r"(?:/v(\d+)\.(\d+)(?:\.(\d+))?)?/libpod(?=/)")


def split_version(path: str) -> str | None:
    """The path behind `libpod`, None where it is none of podman's own.

    Raises ValueError with podman's words for a version that is not spoken here.
    """
    found = _PREFIX.match(path)
    if found is None:
        return None
    if found[1] is not None:
        asked = (int(found[1]), int(found[2]), int(found[3] or 0))
        text = ".".join(str(number) for number in asked)
        if asked < _numbers(VERSION_MIN) or asked[0] > _numbers(VERSION)[0]:
            range_text = f'"{VERSION_MIN} - {VERSION}"'
            raise ValueError(f'given version is not supported: the API server supports {range_text}, not "{text}"')
    return path[found.end() :]


def major_of(path: str) -> int:
    """Of the version that a path asks for; the newest where it names none."""
    found = _PREFIX.match(path)
    return int(found[1]) if found is not None and found[1] is not None else _numbers(VERSION)[0]


def _numbers(text: str) -> tuple[int, int, int]:
    major, minor, patch = text.split(".")
    return int(major), int(minor), int(patch)
