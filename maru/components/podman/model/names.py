"""Names that podman and docker have for the same: networks, images.

podman's default network is called podman, docker's bridge. An image named without a registry is localhost's
first, then Docker Hub's. Source: containers/common pkg/config, containers/image docs, "Short-name aliasing".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

DEFAULT_NETWORK, ENGINE_NETWORK = "podman", "bridge"
LOCALHOST = "localhost"


def engine_network(name: str) -> str:
    """As the engine calls it."""
    return ENGINE_NETWORK if name in (DEFAULT_NETWORK, "default") else name


def podman_network(name: str) -> str:
    """As podman calls it."""
    return DEFAULT_NETWORK if name == ENGINE_NETWORK else name


def is_short(reference: str) -> bool:
    """Whether an image's name says no registry."""
    first, slash, _ = reference.partition("/")
    return not slash or ("." not in first and ":" not in first and first != LOCALHOST)


def candidates(reference: str) -> Iterator[str]:
    """What a reference to an image that is here may mean, the likeliest first."""
    if is_short(reference):
        yield f"{LOCALHOST}/{reference}"
    yield reference


def own_name(reference: str) -> str:
    """The full name of what is made here under this one."""
    return f"{LOCALHOST}/{reference}" if is_short(reference) else reference


def bare(digest: str) -> str:
    """An image's id as podman shows it."""
    return digest.removeprefix("sha256:")


def matches(pattern: str, text: str) -> bool:
    """Whether a name filter fits: a regular expression, or where it is none, a part of the name."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return pattern in text
