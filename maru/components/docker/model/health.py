"""Health checks: what is run when, and what its results mean.

Source: Docker Engine API v1.50, HealthConfig; moby daemon/health.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from maru.components.docker.model.container import Health
from maru.core.document import Value

LOG_MAX = 5
OUTPUT_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Check:
    """words: the command. Times in seconds."""

    words: tuple[str, ...]
    interval_s: float
    timeout_s: float
    start_period_s: float
    start_interval_s: float
    retries: int


def check_of(config: Value) -> Check | None:
    """None when there is none, or it is switched off."""
    health = config.get("Healthcheck") or {}
    test = health.get("Test") or []
    if not test or test[0] == "NONE":
        return None
    shell = config.get("Shell") or ["/bin/sh", "-c"]
    words = [*shell, *test[1:]] if test[0] == "CMD-SHELL" else test[1:]
    if not words:
        return None
    return Check(
        tuple(words),
        _seconds(health, "Interval", 30.0),
        _seconds(health, "Timeout", 30.0),
        _seconds(health, "StartPeriod", 0.0),
        _seconds(health, "StartInterval", 5.0),
        int(health.get("Retries") or 3),
    )


def judged(health: Health, check: Check, result: Value, running_s: float) -> Health:
    """The health after one more result (Start, End, ExitCode, Output)."""
    after = Health(health.status, health.failing_streak, [*health.log, result][-LOG_MAX:])
    if result["ExitCode"] == 0:
        after.status, after.failing_streak = "healthy", 0
    elif health.status == "starting" and running_s < check.start_period_s:
        return after
    else:
        after.failing_streak += 1
        if after.failing_streak >= check.retries:
            after.status = "unhealthy"
    return after


def next_check_s(health: Health, check: Check, running_s: float) -> float:
    """Until the next run."""
    if health.status == "starting" and running_s < check.start_period_s:
        return check.start_interval_s
    return check.interval_s


def _seconds(health: Value, name: str, default: float) -> float:
    return (health.get(name) or 0) / 1e9 or default
