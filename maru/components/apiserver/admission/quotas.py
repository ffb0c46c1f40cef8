"""ResourceQuota: what a namespace may hold, counted in the very commit that makes or grows something.

The quota's new usage and the document are written together; writers in a namespace whose quotas count
the kind wait for each other, so that two can never take the same last place. What deletes give back
is counted by the quota controller. Source: k8s.io/apiserver/pkg/admission/plugin/resourcequota and
k8s.io/kubernetes/pkg/quota/v1/evaluator/core.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.components.apiserver.admission.review import CREATE, UPDATE, Review, Rule
from maru.components.apiserver.errors import denied
from maru.components.apiserver.model.quota import matches_scopes, missing_of, usage_of
from maru.core.document import Document, Resource, Value
from maru.core.store.interface import Change, Store
from maru.kinds.quantity import Quantity, parse
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PODS, RESOURCEQUOTAS, SERVICES

_GROWING = frozenset({PODS.storage, SERVICES.storage, PERSISTENTVOLUMECLAIMS.storage})


class ResourceQuota(Rule):
    """Refuses what would go over a hard limit."""

    name = "ResourceQuota"
    counts = True

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates in namespaces, and updates of what can grow."""
        if not resource.namespaced:
            return False
        if operation == CREATE:
            return not subresource
        return operation == UPDATE and resource.storage in _GROWING and subresource in ("", "resize")

    async def check(self, review: Review) -> None:
        """Raises Denied; adds the quotas' new usage to the write."""
        quotas = self._store.list(RESOURCEQUOTAS.storage, review.namespace).documents
        if not quotas or review.value is None:
            return
        usage = usage_of(review.stored, review.value)
        if review.old is not None:
            usage = _grown(usage, usage_of(review.stored, review.old))
        if not usage:
            return
        for quota in quotas:
            change = _charged(review, quota, usage)
            if change is not None:
                review.changes.append(change)


def counts(store: Store, stored: Resource, namespace: str) -> bool:
    """Whether a quota of the namespace may count this kind: then its writers wait for each other."""
    return (
        bool(namespace)
        and stored.storage != RESOURCEQUOTAS.storage
        and bool(store.list(RESOURCEQUOTAS.storage, namespace).documents)
    )


def _charged(review: Review, quota: Document, usage: Mapping[str, Quantity]) -> Change | None:
    """The quota with `usage` on top, None if it does not count it. Raises Denied."""
    assert review.value is not None
    spec = quota.value.get("spec") or {}
    if not matches_scopes(spec, review.stored, review.value):
        return None
    status: Value = quota.value.get("status") or {}
    hard = status.get("hard") or spec.get("hard") or {}
    name = quota.key.name
    missing = missing_of(review.stored, review.value, hard) if review.old is None else []
    if missing:
        raise denied(review.resource, review.name, f"failed quota: {name}: must specify {'; '.join(missing)}")
    used = dict(status.get("used") or {})
    counted = {key: amount for key, amount in usage.items() if key in hard}
    if not counted:
        return None
    over = []
    for key, amount in sorted(counted.items()):
        total = parse(used.get(key) or "0") + amount
        if amount.nano > 0 and total.nano > parse(hard[key]).nano:
            over.append(key)
        used[key] = str(total)
    if over:
        asked = ",".join(f"{key}={counted[key]}" for key in over)
        before = ",".join(f"{key}={(status.get('used') or {}).get(key, '0')}" for key in over)
        limited = ",".join(f"{key}={hard[key]}" for key in over)
        why = f"exceeded quota: {name}, requested: {asked}, used: {before}, limited: {limited}"
        raise denied(review.resource, review.name, why)
    if review.dry_run:
        return None
    value: Value = msgspec.json.decode(quota.body)
    value["status"] = {**status, "hard": dict(hard), "used": used}
    return Change(quota.key, value, quota.version)


def _grown(now: Mapping[str, Quantity], before: Mapping[str, Quantity]) -> Mapping[str, Quantity]:
    zero = Quantity(0)
    grown = {key: amount - before.get(key, zero) for key, amount in now.items()}
    for key, amount in before.items():
        if key not in now:
            grown[key] = zero - amount
    return {key: amount for key, amount in grown.items() if amount.nano != 0}
