"""Growing delays: the first time at once, then 10 s doubling to 5 minutes, forgotten after ten quiet minutes.

Source: k8s.io/client-go/util/flowcontrol, Backoff, as pkg/kubelet uses it (backOffPeriod 10 s,
MaxContainerBackOff 300 s; an entry is stale when unused for twice the maximum).
"""

from __future__ import annotations

from dataclasses import dataclass

BASE_S = 10.0
MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """delay_s: how long after the last failure the next try waits; updated_s: when it was last raised."""

    delay_s: float
    updated_s: float

    def until_s(self, failed_s: float) -> float:
        """When a thing that failed at `failed_s` may be tried again."""
        return failed_s + self.delay_s


def raised(before: Backoff | None, now_s: float, base_s: float = BASE_S, max_s: float = MAX_S) -> Backoff:
    """The delay after one more try at `now_s`."""
    if before is None or now_s - before.updated_s > 2 * max_s:
        return Backoff(base_s, now_s)
    return Backoff(min(before.delay_s * 2, max_s), now_s)


def go_duration(seconds: float) -> str:
    """As Go prints it in the real messages: 10s, 2m40s, 5m0s."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def go_precise(seconds: float) -> str:
    """As Go prints a duration that was cut to milliseconds: 0s, 842ms, 1.03s, 1m2.5s."""
    milli = int(seconds * 1000)
    if milli < 1000:
        return f"{milli}ms" if milli else "0s"
    minutes, rest = divmod(milli, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{minutes}m{text}" if minutes else text
