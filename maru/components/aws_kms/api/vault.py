"""What the operations share: keys, aliases and grants in memory, and their material.

Reads are local. A write is conditional on the version that was read, and is thought over again when another
came first.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from maru.components.aws_kms.config import KmsConfig
from maru.components.aws_kms.engine.materials import Materials
from maru.components.aws_kms.engine.pairs import generate_blocking, private_bytes
from maru.components.aws_kms.errors import coded, limit_exceeded, not_found
from maru.components.aws_kms.model.documents import Alias, Grant, Key, MaterialFields, alias_arn, key_arn
from maru.components.aws_kms.model.names import read_reference
from maru.components.aws_kms.model.policies import managed_policy
from maru.components.aws_kms.model.specs import ENCRYPT, SYMMETRIC, Spec
from maru.contracts.sealer import Sealer
from maru.core.clock import Clock, rfc3339_micro
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Broken, Conflict
from maru.core.ids import Ids
from maru.core.kept import Kept
from maru.kinds.aws import document_name, namespace_of

BY_KEY = "key"
BY_RETIRING = "retiring"
YEAR_DAYS = 365
_CHANGES_MAX = 8
_TOKEN_CONTEXT = b"kms grant token"


class Target(msgspec.Struct, frozen=True):
    """The key a request is about. alias: by which it was named, "" if by its ID."""

    key: Key
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Shelves:
    """The documents of KMS, indexed as the vault looks by."""

    keys: Kept[Key]
    aliases: Kept[Alias]
    grants: Kept[Grant]

    def index(self) -> None:
        """Once, before they are filled."""
        self.keys.index(BY_KEY, lambda key: [key.fields.key_id])
        self.aliases.index(BY_KEY, lambda alias: [_place(alias.account, alias.fields.region, alias.fields.key_id)])
        self.grants.index(BY_KEY, lambda grant: [_place(grant.account, grant.fields.region, grant.fields.key_id)])
        self.grants.index(BY_RETIRING, lambda grant: [grant.fields.retiring or grant.fields.retiring_service])


@dataclass(frozen=True, slots=True)
class Tools:
    """What a vault works with."""

    sealer: Sealer
    clock: Clock
    ids: Ids
    config: KmsConfig


class Vault:
    """See the module."""

    def __init__(self, shelves: Shelves, tools: Tools) -> None:
        self.keys, self.aliases, self.grants = shelves.keys, shelves.aliases, shelves.grants
        self.tools = tools
        self.materials = Materials(tools.sealer, tools.config.open_materials_max)

    def now(self) -> datetime:
        """The time of this request, in UTC."""
        return self.tools.clock.now()

    def stamp(self, days: int = 0) -> str:
        """The time in so many days, as documents keep it."""
        return rfc3339_micro(self.now() + timedelta(days=days))

    def find(self, account: str, region: str, reference: str, *, takes_alias: bool = True) -> Target:
        """The key that `reference` names for a request from `account` to `region`. Raises NotFound in KMS's words."""
        named = read_reference(reference, account, region, takes_alias=takes_alias)
        if not named.alias:
            return Target(self.key_of(named.account, region, named.key_id))
        alias = self.find_alias(named.account, region, named.alias)
        if alias is None:
            raise not_found(f"Alias {alias_arn(region, named.account, named.alias)} is not found.")
        return Target(self.key_of(named.account, region, alias.fields.key_id), named.alias)

    def find_alias(self, account: str, region: str, name: str) -> Alias | None:
        """An alias by its whole name."""
        return self.aliases.get(namespace_of(account), document_name(region, name))

    def key_of(self, account: str, region: str, key_id: str) -> Key:
        """Raises NotFound."""
        key_id = key_id.lower()
        key = self.keys.get(namespace_of(account), document_name(region, key_id))
        if key is None:
            raise not_found(f"Key '{key_arn(region, account, key_id)}' does not exist")
        return key

    def key_of_ciphertext(self, region: str, key_id: str) -> Key | None:
        """The key under which a ciphertext was made, in whichever account it is."""
        return next((key for key in self.keys.by_index(BY_KEY, key_id) if key.fields.region == region), None)

    def related(self, key: Key) -> Sequence[Key]:
        """All related multi-Region keys, this one too, the primary first, then by region."""
        same = [other for other in self.keys.by_index(BY_KEY, key.fields.key_id) if other.account == key.account]
        primary = max(same, key=lambda other: other.fields.primary_term).fields.primary_region
        return sorted(same, key=lambda other: (other.fields.region != primary, other.fields.region))

    def aliases_of(self, key: Key) -> Sequence[Alias]:
        """Ascending by document name."""
        return self.aliases.by_index(BY_KEY, _place(key.account, key.fields.region, key.fields.key_id))

    def grants_on(self, key: Key) -> Sequence[Grant]:
        """Ascending by ID."""
        return self.grants.by_index(BY_KEY, _place(key.account, key.fields.region, key.fields.key_id))

    async def change(self, key: Key, change: Callable[[Key], Value]) -> Key:
        """Patch the spec by what `change` answers for the key as it is; again when somebody else was faster.

        Raises what `change` raises, NotFound, or Conflict after many tries.
        """
        namespace = namespace_of(key.account)
        for _ in range(_CHANGES_MAX):
            fresh = self.key_of(key.account, key.fields.region, key.fields.key_id)
            patch = {"metadata": {"resourceVersion": fresh.version}, "spec": change(fresh)}
            try:
                return await self.keys.patch(namespace, key.name, patch)
            except Conflict:
                continue
        raise Conflict(what=key.arn, why="it was changed by others all the time", code="ConflictException")

    async def put_key(self, account: str, fields: Value) -> Key:
        """A new key. Raises TooLarge (LimitExceededException) over the quota."""
        if len(self.keys.list(namespace_of(account))) >= self.tools.config.keys_max:
            raise limit_exceeded("The request was rejected because the KMS key quota was exceeded.")
        name = document_name(fields["region"], fields["keyId"])
        return await self.keys.create({"metadata": {"namespace": namespace_of(account), "name": name}, "spec": fields})

    async def put_alias(self, key: Key, name: str) -> Alias:
        """A new alias of a key. Raises AlreadyExists."""
        region, stamp = key.fields.region, self.stamp()
        fields = {"name": name, "region": region, "keyId": key.fields.key_id, "createdAt": stamp, "updatedAt": stamp}
        metadata = {"namespace": namespace_of(key.account), "name": document_name(region, name)}
        return await self.aliases.create({"metadata": metadata, "spec": fields})

    async def forget(self, key: Key) -> None:
        """Delete a key with its aliases and grants: its material is gone for good."""
        namespace = namespace_of(key.account)
        for alias in self.aliases_of(key):
            await self.aliases.delete(namespace, alias.name)
        for grant in self.grants_on(key):
            await self.grants.delete(namespace, grant.name)
        await self.keys.delete(namespace, key.name)

    async def new_material(self, account: str, key_id: str, spec: Spec) -> Value:
        """A first material for a new key, sealed."""
        if spec.is_pair:
            secret = private_bytes(await asyncio.to_thread(generate_blocking, spec.name))
        else:
            secret = secrets.token_bytes(spec.material_bytes)
        name, sealed = self.materials.seal(account, key_id, secret)
        return {"id": name, "sealed": sealed, "createdAt": self.stamp()}

    def rotated(self, key: Key, rotation_type: str) -> Sequence[Value]:
        """The materials of a key after a rotation: a new one, or the one that was imported for it, is current."""
        stamp = self.stamp()
        old = [written(material) for material in key.fields.materials]
        waiting = next((material for material in old if material["state"] == "PENDING_ROTATION"), None)
        for material in old:
            if material["state"] == "CURRENT":
                material["state"] = "NON_CURRENT"
        if waiting is None:
            secret = secrets.token_bytes(key.spec.material_bytes)
            name, sealed = self.materials.seal(key.account, key.fields.key_id, secret)
            waiting = {"id": name, "sealed": sealed, "createdAt": stamp}
            old.append(waiting)
        waiting |= {"state": "CURRENT", "rotatedAt": stamp, "rotationType": rotation_type}
        return old

    async def ensure_managed(self, account: str, region: str, service: str) -> Target:
        """The AWS managed key of a service, made at its first use."""
        alias = f"alias/aws/{service}"
        have = self.find_alias(account, region, alias)
        if have is not None:
            return Target(self.key_of(account, region, have.fields.key_id), alias)
        key_id, now = self.tools.ids.uid(), self.stamp()
        material = {"sealed": "", "id": "", "createdAt": now}
        name, sealed = self.materials.seal(account, key_id, secrets.token_bytes(32))
        material |= {"id": name, "sealed": sealed}
        key = await self.put_key(
            account,
            {
                "keyId": key_id,
                "region": region,
                "keySpec": SYMMETRIC,
                "keyUsage": ENCRYPT,
                "createdAt": now,
                "policy": managed_policy(service, account, region),
                "description": f"Default key that protects my {service.upper()} data when no other key is defined",
                "service": service,
                "materials": [material],
                "rotationDays": YEAR_DAYS,
                "rotationAt": self.stamp(YEAR_DAYS),
            },
        )
        try:
            await self.put_alias(key, alias)
        except AlreadyExists:  # two first uses at once: the other one's key is the one
            await self.keys.delete(namespace_of(account), key.name)
            return self.find(account, region, alias)
        return Target(key, alias)

    def token_of(self, grant: Grant) -> str:
        """A new token that names the grant to whoever holds it."""
        plain = f"{grant.account} {grant.name}".encode()
        return base64.b64encode(self.tools.sealer.seal(plain, _TOKEN_CONTEXT)).decode()

    def grant_of_token(self, token: str) -> Grant | None:
        """None if it is retired since. Raises Invalid (InvalidGrantTokenException) for a token that is none."""
        try:
            plain = self.tools.sealer.open(base64.b64decode(token, validate=True), _TOKEN_CONTEXT).decode()
        except (Broken, binascii.Error) as error:
            raise coded("InvalidGrantTokenException") from error
        account, name = plain.split(" ")
        return self.grants.get(namespace_of(account), name)


def written(material: MaterialFields) -> Value:
    """A material as its document has it."""
    return {
        "id": material.id,
        "sealed": material.sealed,
        "createdAt": material.created_at,
        "state": material.state,
        "rotatedAt": material.rotated_at,
        "rotationType": material.rotation_type,
        "expiresAt": material.expires_at,
        "description": material.description,
    }


def _place(account: str, region: str, key_id: str) -> str:
    return f"{account}/{region}/{key_id}"
