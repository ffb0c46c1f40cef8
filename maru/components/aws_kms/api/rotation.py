"""Rotation: automatic, on demand, and what came of it.

Source: AWS KMS API reference, EnableKeyRotation, RotateKeyOnDemand, ListKeyRotations; KMS Developer Guide,
"Rotate AWS KMS keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from maru.components.aws_kms.api.gate import Access, Gate
from maru.components.aws_kms.api.pages import page
from maru.components.aws_kms.api.vault import YEAR_DAYS, Target, Vault
from maru.components.aws_kms.errors import limit_exceeded, unsupported, wrong_state
from maru.components.aws_kms.model.documents import Key, MaterialFields, moment
from maru.components.aws_kms.model.states import check_staying, check_usable
from maru.contracts.aws_access import Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import rfc3339_micro
from maru.core.document import Value

_ON_DEMAND_MAX = 25


class Rotation:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "EnableKeyRotation": AwsOperation(self.enable),
            "DisableKeyRotation": AwsOperation(self.disable),
            "GetKeyRotationStatus": AwsOperation(self.status),
            "RotateKeyOnDemand": AwsOperation(self.rotate),
            "ListKeyRotations": AwsOperation(self.list),
        }

    async def enable(self, call: AwsCall) -> Members:
        period = call.parameters.get("RotationPeriodInDays")
        facts: dict[str, Fact] = {"kms:RotationPeriodInDays": str(period)} if period else {}
        target = self._reach(call, "EnableKeyRotation", Access(facts))
        self._check_automatic(target.key)

        def change(key: Key) -> Value:
            check_usable(key)
            days = int(period) if period else key.fields.rotation_days or YEAR_DAYS
            start = moment(_last_automatic(key)) if key.fields.rotation_days else None
            due = max((start or self._vault.now()) + timedelta(days=days), self._vault.now())
            return {"rotationDays": days, "rotationAt": rfc3339_micro(due)}

        await self._vault.change(target.key, change)
        return {}

    async def disable(self, call: AwsCall) -> Members:
        target = self._reach(call, "DisableKeyRotation")
        self._check_automatic(target.key)

        def change(key: Key) -> Value:
            check_usable(key)
            return {"rotationDays": 0, "rotationAt": ""}

        await self._vault.change(target.key, change)
        return {}

    async def status(self, call: AwsCall) -> Members:
        key = self._reach(call, "GetKeyRotationStatus").key
        if not key.is_symmetric:  # Terraform asks about every key
            return {"KeyId": key.fields.key_id, "KeyRotationEnabled": False}
        primary = self._vault.related(key)[0].fields if key.fields.multi_region else key.fields
        members: Members = {"KeyId": key.fields.key_id, "KeyRotationEnabled": primary.rotation_days > 0}
        if primary.rotation_days and key.state not in ("PendingDeletion", "PendingReplicaDeletion"):
            members["RotationPeriodInDays"] = primary.rotation_days
            members["NextRotationDate"] = moment(primary.rotation_at)
        elif primary.rotation_days:
            members["KeyRotationEnabled"] = False
        return members

    async def rotate(self, call: AwsCall) -> Members:
        target = self._reach(call, "RotateKeyOnDemand")
        key = target.key
        check_usable(key)
        if not key.is_symmetric:
            raise unsupported("")  # as AWS words it here, unlike EnableKeyRotation
        self._check_primary(key)
        if key.fields.rotations_on_demand >= _ON_DEMAND_MAX:
            raise limit_exceeded(
                "The on-demand rotations limit has been reached for the given keyId. "
                f"No more on-demand rotations can be performed for this key: {key.arn}"
            )
        await rotate(self._vault, key, "ON_DEMAND")
        return {"KeyId": key.arn}

    async def list(self, call: AwsCall) -> Members:
        target = self._reach(call, "ListKeyRotations")
        key = target.key
        _check_rotates(key)
        is_all = call.parameters.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL"
        every = [
            _entry(key, material)
            for material in key.fields.materials
            if is_all or (material.rotated_at and material.rotation_type)
        ]
        return page("Rotations", every, call, limit=100, limit_max=1000)

    def _check_automatic(self, key: Key) -> None:
        if key.fields.origin != "AWS_KMS":
            raise unsupported(f"{key.arn} origin is {key.fields.origin} which is not valid for this operation.")
        _check_rotates(key)
        self._check_primary(key)

    def _check_primary(self, key: Key) -> None:
        if key.fields.multi_region and self._gate.multi_region_type(key) == "REPLICA":
            raise unsupported(f"{key.arn} is a multi-Region replica key, which is not valid for this operation.")

    def _reach(self, call: AwsCall, operation: str, access: Access | None = None) -> Target:
        target = self._vault.find(call.account, call.region, call.parameters["KeyId"], takes_alias=False)
        self._gate.allow(call, target, operation, access or Access())
        return target


async def rotate(vault: Vault, key: Key, rotation_type: str) -> None:
    """Make a new material current, in every related key; the replicas first, so that all can decrypt from the start."""
    if key.fields.origin == "EXTERNAL" and not any(
        material.state == "PENDING_ROTATION" for material in key.fields.materials
    ):
        raise wrong_state(f"No available key material pending rotation for the key: {key.arn}.")
    materials = vault.rotated(key, rotation_type)
    waiting = {str(material["id"]): material for material in materials}

    def change_replica(replica: Key) -> Value:
        own = {material.id: material.sealed for material in replica.fields.materials}
        kept = [{**material, "sealed": own.get(name, material["sealed"])} for name, material in waiting.items()]
        return {"materials": kept}

    def change(fresh: Key) -> Value:
        if fresh.fields.materials != key.fields.materials:
            raise wrong_state(f"{key.arn} is being rotated already.")
        check_staying(fresh)
        fields: Value = {"materials": materials}
        if rotation_type == "ON_DEMAND":
            fields["rotationsOnDemand"] = fresh.fields.rotations_on_demand + 1
        elif fresh.fields.rotation_days:
            fields["rotationAt"] = vault.stamp(fresh.fields.rotation_days)
        return fields

    if key.fields.multi_region:
        for replica in vault.related(key)[1:]:
            await vault.change(replica, change_replica)
    await vault.change(key, change)


def _check_rotates(key: Key) -> None:
    if not key.is_symmetric:
        raise unsupported(f"{key.arn} key spec is {key.spec.name} which is not valid for this operation.")


def _last_automatic(key: Key) -> str:
    """When the running period began."""
    times = [found.rotated_at for found in key.fields.materials if found.rotation_type == "AUTOMATIC"]
    return max(times, default=key.fields.created_at)


def _entry(key: Key, material: MaterialFields) -> Members:
    members: Members = {
        "KeyId": key.fields.key_id,
        "KeyMaterialId": material.id,
        "KeyMaterialState": material.state,
        "RotationDate": moment(material.rotated_at),
        "RotationType": material.rotation_type or None,
    }
    if key.fields.origin == "EXTERNAL":
        expires = moment(material.expires_at)
        members |= {
            "ImportState": "IMPORTED" if material.sealed else "PENDING_IMPORT",
            "KeyMaterialDescription": material.description or None,
        }
        if material.sealed:
            members["ExpirationModel"] = "KEY_MATERIAL_EXPIRES" if expires else "KEY_MATERIAL_DOES_NOT_EXPIRE"
            members["ValidTo"] = expires
    return members
