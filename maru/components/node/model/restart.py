"""Whether a container that has exited starts again.

Source: Kubernetes documentation, Pod Lifecycle, "Container restarts" and "Individual container
restart policy and rules" (KEP-5307).
"""

from __future__ import annotations

from maru.components.node.model.view import Attempt, Container, Kind
from maru.core.document import Value


def should_restart(pod: Value, container: Container, attempt: Attempt) -> bool:
    """True when the exited `attempt` is to be followed by another."""
    if container.kind is Kind.EPHEMERAL:
        return False
    if container.kind is Kind.SIDECAR:
        return True
    code = attempt.exit_code if attempt.exit_code is not None else 0
    for rule in container.spec.get("restartPolicyRules") or ():
        if rule.get("action") == "Restart" and _matches(rule.get("exitCodes") or {}, code):
            return True
    policy = container.spec.get("restartPolicy") or pod["spec"].get("restartPolicy") or "Always"
    if container.kind is Kind.INIT:
        return code != 0 and policy != "Never"
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _matches(codes: Value, code: int) -> bool:
    listed = code in (codes.get("values") or ())
    return listed if codes.get("operator") == "In" else not listed
