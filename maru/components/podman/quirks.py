"""Where podman's server is left on purpose."""

from __future__ import annotations

from maru.core.errors import MaruError
from maru.wire.libpod.faults import UNREACHABLE


def stands_in(error: MaruError, policy: str) -> bool:
    """Whether the image that is here is taken for one that cannot be asked for.

    podman does so for `newer` only. `always` is what its clients send without being told, and a platform that
    is often without a network shall not be useless then; a registry that answers and refuses is heard.
    """
    return policy in ("", "always", "newer") and any(word in str(error) for word in UNREACHABLE)
