"""What Pods use is told as a rate over a window that means something."""

from pathlib import Path

import pytest

from maru.components.node.controllers.usage_sampler import NODE, UsageSampler
from tests.fakes.fast_clock import FastClock


class Shop:
    """The clock is all that a rate needs."""

    def __init__(self) -> None:
        self.clock = FastClock()


def sampler(*samples: tuple[float, int]) -> UsageSampler:
    made = UsageSampler(Shop(), None)  # type: ignore[arg-type]
    made._samples = [(at_s, {"c": cpu_ns, NODE: cpu_ns}) for at_s, cpu_ns in samples]
    return made


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (((0.0, 0), (10.0, 5_000_000_000)), (500_000_000, 10.0)),  # since the newest
        (((0.0, 0), (19.0, 9_000_000_000)), (500_000_000, 20.0)),  # the newest is too young
        (((19.0, 9_000_000_000),), (1_000_000_000, 1.0)),  # there is no older one
        ((), (0, 0.0)),
    ],
)
def test_rate_is_over_the_newest_window_that_is_long_enough(
    samples: tuple[tuple[float, int], ...], rate: tuple[int, float]
) -> None:
    assert sampler(*samples)._rate(NODE, 10_000_000_000, 20.0, "") == rate


def test_young_container_is_measured_since_its_start(tmp_path: Path) -> None:
    made = sampler()
    started_at = made._workshop.clock.now().isoformat().replace("+00:00", "Z")
    rate, window_s = made._rate("c", 1_000_000, 1.0, started_at)
    assert rate > 0 and window_s < 60
