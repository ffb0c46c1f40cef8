"""What the API server counts of itself: shown at /metrics."""

from __future__ import annotations

from maru.core.meter import SECONDS, Meter


class Metrics:
    """Declared in `meter`. verb: as RBAC knows it; code: the HTTP status."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.requests = meter.counter("maru_apiserver_requests_total", "Requests answered.", ("verb", "code"))
        self.duration = meter.histogram(
            "maru_apiserver_request_seconds", "From head to answer; of a watch, to its start.", ("verb",), SECONDS
        )
