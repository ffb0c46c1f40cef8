"""Deletes keys whose waiting period is over, takes expired material away, rotates keys that are due.

Source: KMS Developer Guide, "Deleting AWS KMS keys", "Rotate AWS KMS keys".
"""

from __future__ import annotations

from maru.components.aws_kms.api.rotation import rotate
from maru.components.aws_kms.api.vault import BY_KEY, Vault, written
from maru.components.aws_kms.model.deadlines import plan
from maru.components.aws_kms.model.documents import Key
from maru.core.document import Value
from maru.core.informer import Place
from maru.core.log import Log
from maru.core.reconcile import Loop
from maru.kinds.aws import namespace_of

_LOOK_AGAIN_S = 3600.0  # wall time may jump


class Deadlines:
    """See the module."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._log = Log("aws_kms")
        self._loop: Loop[Place] = Loop("kms deadlines", self._bring_right, vault.tools.clock, vault.tools.ids)
        vault.keys.on_change(self._changed)

    async def run(self) -> None:
        """Until cancelled."""
        await self._loop.run()

    def _changed(self, place: Place) -> None:
        self._loop.add(place)
        key_id = place[1].split(".", 1)[-1]
        for other in self._vault.keys.by_index(BY_KEY, key_id):
            self._loop.add((namespace_of(other.account), other.name))

    async def _bring_right(self, place: Place) -> float | None:
        key = self._vault.keys.get(*place)
        if key is None:
            return None
        related = self._vault.related(key) if key.fields.multi_region else [key]
        is_primary = related[0].fields.region == key.fields.region
        due = plan(key, self._vault.now(), is_primary=is_primary, has_replicas=len(related) > 1)
        if due.is_deleted:
            await self._vault.forget(key)
            self._log.info("key deleted", arn=key.arn)
            return None
        if due.starts_waiting:
            days = key.fields.pending_window_days
            await self._vault.change(key, lambda _: {"deletionAt": self._vault.stamp(days)})
        if due.expired:
            await self._vault.change(key, lambda fresh: _without(fresh, set(due.expired)))
        if due.rotates:
            await rotate(
                self._vault, self._vault.key_of(key.account, key.fields.region, key.fields.key_id), "AUTOMATIC"
            )
        if due.next_at is None:
            return None
        return min(max((due.next_at - self._vault.now()).total_seconds(), 0.0), _LOOK_AGAIN_S)


def _without(key: Key, expired: set[str]) -> Value:
    materials = [written(material) for material in key.fields.materials]
    for material in materials:
        if material["id"] in expired:
            material |= {"sealed": "", "expiresAt": ""}
    return {"materials": materials}
