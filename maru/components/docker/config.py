"""The knobs of the Docker Engine API."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from maru.core.config import Config


class DockerConfig(Config, frozen=True):
    """events_kept: past events that `docker events --since` can show."""

    events_kept: Annotated[int, Meta(ge=16, le=100_000)] = 1000
