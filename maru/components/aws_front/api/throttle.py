"""A token bucket for each account and service, as AWS throttles: off unless configured.

Source: Amazon EC2 API, "Request throttling" (the token bucket algorithm that AWS documents).
"""

from __future__ import annotations

from maru.components.aws_front.config import AwsFrontConfig
from maru.core.clock import Clock
from maru.wire.aws.faults import Fault

BUCKETS_MAX = 10_000


class Throttle:
    """requests_per_s of the configuration fills each bucket, up to burst."""

    def __init__(self, config: AwsFrontConfig, clock: Clock) -> None:
        self._rate = config.requests_per_s
        self._burst = float(config.burst)
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}  # tokens, and when they were counted

    def take(self, account: str, service: str) -> None:
        """Take one token. Raises Fault Throttled if there is none."""
        if not self._rate:
            return
        now_s = self._clock.monotonic_s()
        place = (account, service)
        if place not in self._buckets and len(self._buckets) >= BUCKETS_MAX:
            self._buckets.clear()
        tokens, counted_s = self._buckets.get(place, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - counted_s) * self._rate)
        if tokens < 1:
            self._buckets[place] = (tokens, now_s)
            raise Fault("Throttled", "Rate exceeded")
        self._buckets[place] = (tokens - 1, now_s)
