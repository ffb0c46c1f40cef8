"""API versions: what is spoken here, and what a path may ask for.

Source: Docker Engine API v1.50, "Versioning"; moby daemon/server/middleware/version.go (error texts).
"""

from __future__ import annotations

import re

VERSION = "1.50"
VERSION_MIN = "1.24"

_PREFIX = re.compile(r"/v(\d+)\.(\d+)(?=/)")


def split_version(path: str) -> tuple[tuple[int, int], str]:
    """The version a path asks for (the newest when it names none) and the path without it.

    Raises ValueError with the Engine's words when it is not spoken here.
    """
    found = _PREFIX.match(path)
    if found is None:
        return _numbers(VERSION), path
    asked = (int(found[1]), int(found[2]))
    text = f"{found[1]}.{found[2]}"
    if asked > _numbers(VERSION):
        raise ValueError(f"client version {text} is too new. Maximum supported API version is {VERSION}")
    if asked < _numbers(VERSION_MIN):
        why = f"Minimum supported API version is {VERSION_MIN}, please upgrade your client to a newer version"
        raise ValueError(f"client version {text} is too old. {why}")
    return asked, path[found.end() :]


def _numbers(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)
