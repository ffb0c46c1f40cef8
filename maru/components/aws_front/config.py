"""Every knob of the front door."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from maru.core.config import Config


class AwsFrontConfig(Config, frozen=True):
    """body_bytes_max: of a request that is no stream. region: of requests that name none (anonymous ones).

    clock_skew_s: how far a signature's time may lie from ours. requests_per_s: for one account and service,
    answered as throttled beyond it (0: never); burst: requests that may come at once.
    """

    body_bytes_max: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 8 * 1024 * 1024
    region: Annotated[str, Meta(min_length=1, max_length=32)] = "us-east-1"
    clock_skew_s: Annotated[int, Meta(ge=1, le=86_400)] = 900
    requests_per_s: Annotated[float, Meta(ge=0, le=1_000_000)] = 0
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
