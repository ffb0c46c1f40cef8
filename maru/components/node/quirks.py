"""Oddities of real clients and of the kubelet, one function each, with its source."""

from __future__ import annotations

from maru.wire.spdy.frames import Settings, WindowUpdate


def send_window_applies(frame: Settings | WindowUpdate) -> bool:
    """Whether a peer that sent `frame` keeps flow control windows at all.

    github.com/moby/spdystream, which kubectl uses, has no flow control: it never sends WINDOW_UPDATE,
    and a server that kept the initial window of 64 KiB would stall for ever. The window is therefore
    kept only with peers that have sent SETTINGS or WINDOW_UPDATE themselves.
    """
    return isinstance(frame, Settings | WindowUpdate)
