"""Multi-Region keys: the same key ID and material in several Regions, otherwise keys of their own.

Source: AWS KMS API reference, ReplicateKey, UpdatePrimaryRegion; KMS Developer Guide, "Multi-Region keys".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_kms.api.gate import Access, Asker, Gate
from maru.components.aws_kms.api.keys import Keys, checked_tags, request_tags
from maru.components.aws_kms.api.shapes import key_metadata, tag_list
from maru.components.aws_kms.api.vault import Target, Vault, written
from maru.components.aws_kms.errors import already_exists, not_found, unsupported
from maru.components.aws_kms.model.documents import Key, key_arn
from maru.components.aws_kms.model.states import check_usable
from maru.contracts.aws_access import Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value
from maru.core.errors import AlreadyExists


class Regions:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate, keys: Keys) -> None:
        self._vault = vault
        self._gate = gate
        self._keys = keys

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "ReplicateKey": AwsOperation(self.replicate),
            "UpdatePrimaryRegion": AwsOperation(self.update_primary),
        }

    async def replicate(self, call: AwsCall) -> Members:
        given = call.parameters
        region: str = given["ReplicaRegion"]
        key = self._primary(call, "ReplicateKey", {"kms:ReplicaRegion": region})
        tags = checked_tags(given.get("Tags") or [])
        there = Asker(call.caller, call.circumstances, region)
        facts: dict[str, Fact] = {
            "kms:KeySpec": key.spec.name,
            "kms:KeyUsage": key.fields.key_usage,
            "kms:KeyOrigin": key.fields.origin,
            "kms:MultiRegion": "true",
            "kms:MultiRegionKeyType": "REPLICA",
            **request_tags(tags),
        }
        self._gate.allow_alone(there, "CreateKey", facts=facts)
        check_usable(key)
        arn = key_arn(region, key.account, key.fields.key_id)
        if any(other.fields.region == region for other in self._vault.related(key)):
            raise already_exists(f"Key {arn} already exists")
        is_bypassed = bool(given.get("BypassPolicyLockoutSafetyCheck"))
        policy = self._keys.checked_policy(call, arn, given.get("Policy"), is_bypassed=is_bypassed)
        is_external = key.fields.origin == "EXTERNAL"
        fields: Value = {
            "keyId": key.fields.key_id,
            "region": region,
            "keySpec": key.spec.name,
            "keyUsage": key.fields.key_usage,
            "origin": key.fields.origin,
            "description": given.get("Description") or "",
            "createdAt": self._vault.stamp(),
            "policy": policy,
            "tags": tags,
            "multiRegion": True,
            "primaryRegion": key.fields.region,
            "primaryTerm": key.fields.primary_term,
            "materials": [
                {**written(material), **({"sealed": "", "expiresAt": ""} if is_external else {})}
                for material in key.fields.materials
            ],
        }
        try:
            replica = await self._vault.put_key(key.account, fields)
        except AlreadyExists as error:
            raise already_exists(f"Key {arn} already exists") from error
        return {
            "ReplicaKeyMetadata": key_metadata(replica, self._vault, state="Creating"),
            "ReplicaPolicy": policy,
            "ReplicaTags": tag_list(tags) or None,
        }

    async def update_primary(self, call: AwsCall) -> Members:
        region: str = call.parameters["PrimaryRegion"]
        key = self._primary(call, "UpdatePrimaryRegion", {"kms:PrimaryRegion": region})
        check_usable(key)
        related = self._vault.related(key)
        new = next((other for other in related if other.fields.region == region), None)
        if new is None:
            raise not_found(f"Key '{key_arn(region, key.account, key.fields.key_id)}' does not exist")
        self._gate.allow(Asker(call.caller, call.circumstances, region), Target(new), "UpdatePrimaryRegion")
        check_usable(new)
        term = key.fields.primary_term + 1
        rotation = {"rotationDays": key.fields.rotation_days, "rotationAt": key.fields.rotation_at}
        # The new primary first: whoever has the highest term says which Region is primary.
        await self._vault.change(new, lambda _: {"primaryRegion": region, "primaryTerm": term, **rotation})
        for other in related:
            if other.fields.region != region:
                await self._vault.change(
                    other,
                    lambda _: {"primaryRegion": region, "primaryTerm": term, "rotationDays": 0, "rotationAt": ""},
                )
        return {}

    def _primary(self, call: AwsCall, operation: str, facts: dict[str, Fact]) -> Key:
        """The key of the request, asked about. Raises NotSupported if it is no multi-Region primary."""
        target = self._vault.find(call.account, call.region, call.parameters["KeyId"], takes_alias=False)
        self._gate.allow(call, target, operation, Access(facts))
        key = target.key
        if not key.fields.multi_region or self._gate.multi_region_type(key) != "PRIMARY":
            raise unsupported(f"{key.arn} is not a multi-Region primary key.")
        return key
