"""Counting probe results: how many in a row turn a container healthy or unhealthy.

Source: pkg/kubelet/prober, worker.go; Kubernetes documentation, "Configure Probes".
"""

from __future__ import annotations

from dataclasses import dataclass

from maru.core.document import Value

LIVENESS = "liveness"
READINESS = "readiness"
STARTUP = "startup"
_FIELDS = {LIVENESS: "livenessProbe", READINESS: "readinessProbe", STARTUP: "startupProbe"}


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe with its defaults. Times in seconds."""

    kind: str
    handler: Value
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int
    grace_s: int | None

    @property
    def starts_as(self) -> bool:
        """What counts before the first result: alive, but neither ready nor started."""
        return self.kind == LIVENESS


@dataclass(frozen=True, slots=True)
class Tally:
    """verdict: what counts now. run: results like the last one in a row."""

    verdict: bool
    last: bool | None = None
    run: int = 0


def probe_of(container: Value, kind: str) -> Probe | None:
    """The container's probe of a kind, None if it has none."""
    spec = container.get(_FIELDS[kind])
    if not spec:
        return None
    return Probe(
        kind,
        spec,
        float(spec.get("initialDelaySeconds") or 0),
        float(spec.get("periodSeconds") or 10),
        float(spec.get("timeoutSeconds") or 1),
        int(spec.get("successThreshold") or 1),
        int(spec.get("failureThreshold") or 3),
        spec.get("terminationGracePeriodSeconds"),
    )


def counted(probe: Probe, tally: Tally, *, is_success: bool) -> Tally:
    """The tally after one more result."""
    run = tally.run + 1 if tally.last is is_success else 1
    threshold = probe.success_threshold if is_success else probe.failure_threshold
    verdict = is_success if run >= threshold else tally.verdict
    return Tally(verdict, is_success, run)
