"""The standard policy is in the store before anybody can ask: one write, at start."""

from __future__ import annotations

from maru.components.access.model.policy import standard_policy, to_write, with_gathered
from maru.core.clock import Clock, rfc3339
from maru.core.document import Key, Value
from maru.core.identity.rbac.rolebook import CLUSTERROLEBINDINGS, CLUSTERROLES
from maru.core.ids import Ids
from maru.core.store.interface import ABSENT, Change, Store


async def ensure_policy(store: Store, clock: Clock, ids: Ids) -> int:
    """Add what is missing; answers how many documents were written. Raises Conflict if others write meanwhile."""
    standing = {
        document.key: document
        for storage in (CLUSTERROLES, CLUSTERROLEBINDINGS)
        for document in store.list(storage).documents
    }
    have: dict[Key, Value] = {key: document.value for key, document in standing.items()}
    writes = to_write(standard_policy(), have)
    roles = {key.name: value for key, value in {**have, **writes}.items() if key.storage == CLUSTERROLES}
    for name, rules in with_gathered(roles).items():
        key = Key(CLUSTERROLES, "", name)
        writes[key] = {**roles[name], "metadata": dict(roles[name]["metadata"]), "rules": rules}
    for value in writes.values():
        value["metadata"].setdefault("uid", ids.uid())
        value["metadata"].setdefault("creationTimestamp", rfc3339(clock.now()))
    changes = [
        Change(key, value, expect=standing[key].version if key in standing else ABSENT) for key, value in writes.items()
    ]
    if changes:
        await store.write(changes)
    return len(changes)
