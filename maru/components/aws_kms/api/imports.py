"""Imported key material: parameters, import, deletion.

Source: AWS KMS API reference, GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial; KMS
Developer Guide, "Importing key material".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from maru.components.aws_kms.api.gate import Access, Gate
from maru.components.aws_kms.api.vault import Target, Vault, written
from maru.components.aws_kms.engine.pairs import open_private
from maru.components.aws_kms.engine.wrapping import prepare_blocking, unwrap
from maru.components.aws_kms.errors import coded, invalid, unsupported, wrong_state
from maru.components.aws_kms.model.documents import Key, MaterialFields
from maru.components.aws_kms.model.states import check_staying
from maru.contracts.aws_access import Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import rfc3339, rfc3339_micro
from maru.core.document import Value

_PARAMETERS_LIFE = timedelta(hours=24)
_EXPIRY_MAX = timedelta(days=365)
_WRAPPINGS = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256")
_WAITING = ("PENDING_ROTATION", "PENDING_MULTI_REGION_IMPORT_AND_ROTATION")


@dataclass(frozen=True, slots=True)
class _Import:
    """What an import brings. kind: the ImportType or ""; wanted: the ID it must have, or ""."""

    name: str
    sealed: str
    expires_at: str
    kind: str
    wanted: str
    description: str | None


class Imports:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "GetParametersForImport": AwsOperation(self.parameters),
            "ImportKeyMaterial": AwsOperation(self.import_material),
            "DeleteImportedKeyMaterial": AwsOperation(self.delete),
        }

    async def parameters(self, call: AwsCall) -> Members:
        algorithm, spec = call.parameters["WrappingAlgorithm"], call.parameters["WrappingKeySpec"]
        facts: dict[str, Fact] = {"kms:WrappingAlgorithm": algorithm, "kms:WrappingKeySpec": spec}
        key = self._reach(call, "GetParametersForImport", Access(facts)).key
        _check_external(key)
        check_staying(key)
        if algorithm not in _WRAPPINGS or spec == "SM2":
            raise unsupported(f"The wrapping algorithm {algorithm} with the wrapping key spec {spec} is not supported.")
        if key.spec.name.startswith("RSA_") and algorithm.startswith("RSAES_"):
            raise invalid(f"Wrapping algorithm {algorithm} is not valid for key material of key spec {key.spec.name}.")
        valid_to = self._vault.now() + _PARAMETERS_LIFE
        wrapping = await asyncio.to_thread(
            prepare_blocking, self._vault.tools.sealer, key.arn, spec, algorithm, valid_to
        )
        return {
            "KeyId": key.arn,
            "ImportToken": wrapping.token,
            "PublicKey": wrapping.public_key,
            "ParametersValidTo": valid_to,
        }

    async def import_material(self, call: AwsCall) -> Members:
        given = call.parameters
        model = given.get("ExpirationModel") or "KEY_MATERIAL_EXPIRES"
        valid_to: datetime | None = given.get("ValidTo")
        facts: dict[str, Fact] = {"kms:ExpirationModel": model}
        if valid_to is not None:
            facts["kms:ValidTo"] = rfc3339(valid_to)
        key = self._reach(call, "ImportKeyMaterial", Access(facts)).key
        _check_external(key)
        check_staying(key)
        self._check_expiry(model, valid_to)
        for name in ("ImportType", "KeyMaterialId", "KeyMaterialDescription"):
            if given.get(name) and not key.is_symmetric:
                raise invalid(f"{name} is only valid for symmetric encryption keys.")
        if given.get("KeyMaterialId") and given.get("ImportType") == "NEW_KEY_MATERIAL":
            raise invalid("KeyMaterialId cannot be specified when ImportType is NEW_KEY_MATERIAL.")
        secret = unwrap(
            self._vault.tools.sealer, given["ImportToken"], given["EncryptedKeyMaterial"], key.arn, self._vault.now()
        )
        _check_material(key, secret)
        name, sealed = self._vault.materials.seal(key.account, key.fields.key_id, secret)
        brought = _Import(
            name,
            sealed,
            rfc3339_micro(valid_to) if valid_to is not None else "",
            given.get("ImportType") or "",
            given.get("KeyMaterialId") or "",
            given.get("KeyMaterialDescription"),
        )
        await self._vault.change(key, lambda fresh: self._imported(fresh, brought))
        await self._settle_multi_region(key, name)
        return {"KeyId": key.arn, "KeyMaterialId": name if key.is_symmetric else None}

    def _check_expiry(self, model: str, valid_to: datetime | None) -> None:
        if model == "KEY_MATERIAL_DOES_NOT_EXPIRE":
            if valid_to is not None:
                raise invalid("A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE")
            return
        if valid_to is None:
            raise invalid("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
        if not self._vault.now() < valid_to <= self._vault.now() + _EXPIRY_MAX:
            raise invalid("The validTo date must be in the future and at most 365 days from now.")

    def _imported(self, key: Key, brought: _Import) -> Value:
        """The materials with the one that was brought. Raises Invalid or Conflict."""
        materials = [written(material) for material in key.fields.materials]
        known = next((material for material in materials if material["id"] == brought.name), None)
        is_new = brought.kind == "NEW_KEY_MATERIAL" or (not brought.kind and not materials)
        if (known is None) != is_new or brought.wanted not in ("", brought.name):
            raise coded("IncorrectKeyMaterialException")
        if known is None:
            self._check_new(key, materials, brought.name)
            known = {"id": brought.name, "createdAt": self._vault.stamp(), "state": self._new_state(key)}
            materials.append(known)
        known |= {"sealed": brought.sealed, "expiresAt": brought.expires_at}
        if brought.description is not None:
            known["description"] = brought.description
        return {"materials": materials}

    def _check_new(self, key: Key, materials: Sequence[Value], name: str) -> None:
        if materials and not key.is_symmetric:
            raise coded("IncorrectKeyMaterialException")
        waiting = next((material for material in materials if material["state"] in _WAITING), None)
        if waiting is not None:
            raise wrong_state(
                f"New key material (id: {name}) cannot be imported into KMS key {key.arn}, because another key "
                f"material (id: {waiting['id']}) is pending rotation."
            )
        if key.fields.multi_region and self._gate.multi_region_type(key) == "REPLICA":
            raise unsupported("New key material must first be imported into the multi-Region primary key.")

    def _new_state(self, key: Key) -> str:
        if not key.fields.materials:
            return "CURRENT"
        return _WAITING[1] if key.fields.multi_region and len(self._vault.related(key)) > 1 else _WAITING[0]

    async def _settle_multi_region(self, key: Key, name: str) -> None:
        """A new material is known to the replicas without its bytes; it can be rotated to once all have them."""
        if not key.fields.multi_region:
            return
        primary, *replicas = self._vault.related(key)
        fields = _material(primary, name)
        if fields is None:
            return
        for replica in replicas:
            if _material(replica, name) is None:
                empty = {**written(fields), "sealed": "", "expiresAt": ""}

                def add(fresh: Key, empty: Value = empty) -> Value:
                    return {"materials": [*(written(material) for material in fresh.fields.materials), empty]}

                await self._vault.change(replica, add)
        related = self._vault.related(key)
        if fields.state == _WAITING[1] and all(_has(other, name) for other in related):
            for other in related:
                await self._vault.change(other, lambda fresh: _with_state(fresh, name, _WAITING[0]))

    async def delete(self, call: AwsCall) -> Members:
        key = self._reach(call, "DeleteImportedKeyMaterial").key
        _check_external(key)
        wanted: str = call.parameters.get("KeyMaterialId") or (key.current.id if key.current else "")
        if call.parameters.get("KeyMaterialId") and _material(key, wanted) is None:
            raise coded("IncorrectKeyMaterialException")

        def change(fresh: Key) -> Value:
            materials = [written(material) for material in fresh.fields.materials]
            for material in materials:
                if material["id"] == wanted:
                    material |= {"sealed": "", "expiresAt": ""}
            return {"materials": materials}

        await self._vault.change(key, change)
        return {"KeyId": key.arn, "KeyMaterialId": wanted if key.is_symmetric and wanted else None}

    def _reach(self, call: AwsCall, operation: str, access: Access | None = None) -> Target:
        target = self._vault.find(call.account, call.region, call.parameters["KeyId"], takes_alias=False)
        self._gate.allow(call, target, operation, access or Access())
        return target


def _check_external(key: Key) -> None:
    if key.fields.origin != "EXTERNAL":
        raise unsupported(f"{key.arn} origin is {key.fields.origin} which is not valid for this operation.")


def _check_material(key: Key, secret: bytes) -> None:
    """Its size, or what kind of private key it is. Raises Invalid (IncorrectKeyMaterialException)."""
    if key.spec.is_pair:
        if open_private(secret, key.spec.name) is None:
            raise coded("IncorrectKeyMaterialException")
    elif len(secret) != key.spec.material_bytes:
        raise coded("IncorrectKeyMaterialException")


def _material(key: Key, name: str) -> MaterialFields | None:
    return next((material for material in key.fields.materials if material.id == name), None)


def _has(key: Key, name: str) -> bool:
    material = _material(key, name)
    return material is not None and bool(material.sealed)


def _with_state(key: Key, name: str, state: str) -> Value:
    materials = [written(material) for material in key.fields.materials]
    return {"materials": [{**found, "state": state} if found["id"] == name else found for found in materials]}
