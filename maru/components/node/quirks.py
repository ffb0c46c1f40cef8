"""Oddities of real clients and of the kubelet, one function each, with its source."""

from __future__ import annotations

from maru.contracts.image_store import Image, RegistryUnreachable
from maru.core.errors import MaruError
from maru.wire.spdy.frames import Settings, WindowUpdate


def send_window_applies(frame: Settings | WindowUpdate) -> bool:
    """Whether a peer that sent `frame` keeps flow control windows at all.

    github.com/moby/spdystream, which kubectl uses, has no flow control: it never sends WINDOW_UPDATE,
    and a server that kept the initial window of 64 KiB would stall for ever. The window is therefore
    kept only with peers that have sent SETTINGS or WINDOW_UPDATE themselves.
    """
    return isinstance(frame, Settings | WindowUpdate)


def present_suffices(failure: MaruError, present: Image | None, *, is_allowed: bool) -> bool:
    """Whether an image that is here stands in for the one that policy Always could not fetch.

    The real kubelet asks the registry every time under policy Always and waits in ImagePullBackOff while
    nobody answers, image or not. On a machine without network that would keep `kubectl run --image=busybox`
    from ever starting, so here a registry that cannot be reached at all is not waited for when the very
    reference is present. A registry that answers has the last word: what it denies or does not have fails as
    in the real one. Off by `node.use_present_when_unreachable: false`.
    Source: Kubernetes documentation, "Images", imagePullPolicy.
    """
    return is_allowed and present is not None and isinstance(failure, RegistryUnreachable)
