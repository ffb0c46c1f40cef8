"""What a Pod asks for as a whole: containers side by side, init containers one after the other.

A sidecar (an init container with restartPolicy Always) stays beside all that start after it. What
spec.resources says for the whole Pod goes before the sum, and overhead comes on top.
Source: k8s.io/component-helpers/resource, PodRequests and PodLimits.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.core.document import Value
from maru.kinds.quantity import parse

Amounts = dict[str, int]
"""Resource name to nano units."""


def amounts_of(listed: Mapping[str, object] | None) -> Amounts:
    """A ResourceList as nano units."""
    return {name: parse(text).nano for name, text in (listed or {}).items()}


def effective(pod: Value, field: str = "requests") -> Amounts:
    """The Pod's `requests` or `limits` as the scheduler and quotas count them."""
    spec = pod.get("spec", {})
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _asked(container, field))
    beside: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        asked = _asked(container, field)
        if container.get("restartPolicy") == "Always":
            _add(total, asked)
            _add(beside, asked)
            _raise_to(peak, beside)
        else:
            together = dict(beside)
            _add(together, asked)
            _raise_to(peak, together)
    _raise_to(total, peak)
    total.update(_asked(spec, field))
    if field == "requests" or total:
        overhead = amounts_of(spec.get("overhead"))
        _add(total, {name: amount for name, amount in overhead.items() if field == "requests" or name in total})
    return total


def _asked(holder: Value, field: str) -> Amounts:
    resources = holder.get("resources") or {}
    asked = amounts_of(resources.get(field))
    if field == "requests":
        for name, amount in amounts_of(resources.get("limits")).items():
            asked.setdefault(name, amount)
    return asked


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: Amounts, least: Amounts) -> None:
    for name, amount in least.items():
        if total.get(name, 0) < amount:
            total[name] = amount
