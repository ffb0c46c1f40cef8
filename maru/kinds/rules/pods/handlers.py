"""Rules of probes and lifecycle hooks.

Source: k8s.io/kubernetes/pkg/apis/core/validation, validateProbe, validateHandler, validateLifecycle.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.rules.network import is_http_header
from maru.kinds.rules.text import check, check_not_negative, check_port, forbidden, invalid, required, unsupported
from maru.kinds.strategy import Cause

PROBE_KINDS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_KINDS = ("exec", "httpGet", "tcpSocket", "sleep")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def check_probes(container: Value, field: str, grace_s: int | None) -> list[Cause]:
    """The hooks and the three probes of a container that lives on."""
    causes = check_lifecycle(container.get("lifecycle") or {}, f"{field}.lifecycle", grace_s)
    for name in PROBES:
        probe = container.get(name)
        if probe is not None:
            causes += _check_probe(probe, f"{field}.{name}", is_readiness=name == "readinessProbe")
    return causes


def check_lifecycle(lifecycle: Value, field: str, grace_s: int | None) -> list[Cause]:
    """postStart and preStop. grace_s: the Pod's termination grace period."""
    causes: list[Cause] = []
    for hook in ("postStart", "preStop"):
        handler = lifecycle.get(hook)
        if handler is not None:
            causes += _check_handler(handler, f"{field}.{hook}", HOOK_KINDS)
            seconds = (handler.get("sleep") or {}).get("seconds", 0)
            if grace_s is not None and not 0 <= seconds <= max(grace_s, 0):
                why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
                causes.append(invalid(f"{field}.{hook}.sleep", seconds, why))
    return causes


def _check_probe(probe: Value, field: str, *, is_readiness: bool) -> list[Cause]:
    causes = _check_handler(probe, field, PROBE_KINDS)
    for name in _COUNTS:
        causes += check_not_negative(probe.get(name), f"{field}.{name}")
    grace_s = probe.get("terminationGracePeriodSeconds")
    if grace_s is not None:
        at = f"{field}.terminationGracePeriodSeconds"
        if grace_s <= 0:
            causes.append(invalid(at, grace_s, "must be greater than 0"))
        if is_readiness:
            causes.append(invalid(at, grace_s, "must not be set for readinessProbes"))
    if not is_readiness and probe.get("successThreshold", 1) != 1:
        causes.append(invalid(f"{field}.successThreshold", probe["successThreshold"], "must be 1"))
    return causes


def _check_handler(handler: Value, field: str, kinds: Sequence[str]) -> list[Cause]:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        return [required(field, "must specify a handler type")]
    first = given[0]
    causes = _check_action(first, handler[first], f"{field}.{first}")
    return causes + [forbidden(f"{field}.{kind}", "may not specify more than 1 handler type") for kind in given[1:]]


def _check_action(kind: str, action: Value, field: str) -> list[Cause]:
    if kind == "exec":
        return [] if action.get("command") else [required(f"{field}.command")]
    if kind == "sleep":
        return []
    causes: list[Cause] = []
    if kind == "httpGet" and not action.get("path"):
        causes.append(required(f"{field}.path"))
    causes += check_port(action.get("port"), f"{field}.port")
    if kind == "httpGet":
        if action.get("scheme") not in ("HTTP", "HTTPS"):
            causes.append(unsupported(f"{field}.scheme", action.get("scheme") or "", ("HTTP", "HTTPS")))
        for header in action.get("httpHeaders") or []:
            causes += check(is_http_header, f"{field}.httpHeaders", header.get("name") or "")
    return causes
