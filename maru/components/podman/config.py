"""The knobs of podman's API: it has none of its own; the engine's hold for it."""

from __future__ import annotations

from maru.core.config import Config


class PodmanConfig(Config, frozen=True):
    """Nothing to set."""
