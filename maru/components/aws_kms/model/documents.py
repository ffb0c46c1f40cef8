"""The documents of KMS: keys, aliases, grants, and the views that operations read them by.

A key's name is its region and its ID, an alias's its region and its name, a grant's its region and its ID;
all stand in the namespace of their account. Material is in them only sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from maru.components.aws_kms.model.specs import ENCRYPT, SPECS, SYMMETRIC, Spec
from maru.core.clock import parse_rfc3339
from maru.core.document import Resource, Value
from maru.kinds.aws import KMS
from maru.kinds.custom import definition

KEYS = Resource(KMS, "v1", "keys", "Key", namespaced=True)
ALIASES = Resource(KMS, "v1", "aliases", "Alias", namespaced=True)
GRANTS = Resource(KMS, "v1", "grants", "Grant", namespaced=True)


class MaterialFields(msgspec.Struct, frozen=True, rename="camel"):
    """One material of a key. sealed: base64, "" while imported material is away; id: 64 hex digits.

    state: CURRENT, NON_CURRENT, PENDING_ROTATION, PENDING_MULTI_REGION_IMPORT_AND_ROTATION. rotated_at and
    rotation_type: when and how it became current ("" for the first). expires_at: "" for never.
    """

    id: str
    sealed: str
    created_at: str
    state: str = "CURRENT"
    rotated_at: str = ""
    rotation_type: str = ""
    expires_at: str = ""
    description: str = ""


class KeyFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a Key. Times are RFC 3339 in UTC, "" for none; materials: oldest first.

    primary_region: of a multi-Region key, true in the related key with the highest primary_term.
    service: of an AWS managed key (s3), "" for a customer's. rotation_days: 0 while rotation is off.
    """

    key_id: str
    region: str
    key_spec: str
    key_usage: str
    created_at: str
    policy: str
    origin: str = "AWS_KMS"
    description: str = ""
    enabled: bool = True
    service: str = ""
    tags: dict[str, str] = {}
    materials: tuple[MaterialFields, ...] = ()
    deletion_at: str = ""
    pending_window_days: int = 0
    rotation_days: int = 0
    rotation_at: str = ""
    rotations_on_demand: int = 0
    multi_region: bool = False
    primary_region: str = ""
    primary_term: int = 0


class AliasFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of an Alias. name: with its alias/ before."""

    name: str
    region: str
    key_id: str
    created_at: str
    updated_at: str


class GrantFields(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a Grant. key_id: of the key in the same region and account; principals are ARNs."""

    grant_id: str
    key_id: str
    region: str
    operations: tuple[str, ...]
    issuing_account: str
    created_at: str
    grantee: str = ""
    retiring: str = ""
    grantee_service: str = ""
    retiring_service: str = ""
    name: str = ""
    context_equals: dict[str, str] | None = None
    context_subset: dict[str, str] | None = None
    source_arn: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as read. version: of its document, for conditional writes; name: of its document."""

    account: str
    name: str
    version: str
    arn: str
    fields: KeyFields
    spec: Spec
    current: MaterialFields | None
    state: str

    @property
    def is_symmetric(self) -> bool:
        """A symmetric encryption key: the only kind that rotates and whose material has an ID of its own."""
        return self.fields.key_spec == SYMMETRIC and self.fields.key_usage == ENCRYPT


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias as read."""

    account: str
    name: str
    arn: str
    fields: AliasFields


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as read. account: of the key."""

    account: str
    name: str
    fields: GrantFields


def read_key(document: Value) -> Key:
    """Raises msgspec.ValidationError for a document that is no key."""
    fields = msgspec.convert(document["spec"], KeyFields)
    spec = SPECS.get(fields.key_spec)
    if spec is None:
        raise msgspec.ValidationError(f"no key spec {fields.key_spec}")
    account = _account(document)
    current = next((material for material in fields.materials if material.state == "CURRENT"), None)
    return Key(
        account,
        document["metadata"]["name"],
        document["metadata"].get("resourceVersion", ""),
        key_arn(fields.region, account, fields.key_id),
        fields,
        spec,
        current,
        _state(fields),
    )


def read_alias(document: Value) -> Alias:
    """Raises msgspec.ValidationError."""
    fields = msgspec.convert(document["spec"], AliasFields)
    account = _account(document)
    return Alias(account, document["metadata"]["name"], alias_arn(fields.region, account, fields.name), fields)


def read_grant(document: Value) -> Grant:
    """Raises msgspec.ValidationError."""
    return Grant(_account(document), document["metadata"]["name"], msgspec.convert(document["spec"], GrantFields))


def key_arn(region: str, account: str, key_id: str) -> str:
    """The ARN of a key."""
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def alias_arn(region: str, account: str, name: str) -> str:
    """The ARN of an alias; name: with its alias/ before."""
    return f"arn:aws:kms:{region}:{account}:{name}"


def moment(text: str) -> datetime | None:
    """The time in a document's field, None where it is empty."""
    return parse_rfc3339(text) if text else None


def definitions() -> Mapping[Resource, Value]:
    """The custom kinds of KMS."""
    return {
        KEYS: definition(
            KEYS,
            KeyFields,
            [
                ("Region", ".spec.region"),
                ("Spec", ".spec.keySpec"),
                ("Usage", ".spec.keyUsage"),
                ("Enabled", ".spec.enabled"),
                ("Description", ".spec.description"),
            ],
        ),
        ALIASES: definition(
            ALIASES, AliasFields, [("Region", ".spec.region"), ("Alias", ".spec.name"), ("Key", ".spec.keyId")]
        ),
        GRANTS: definition(
            GRANTS, GrantFields, [("Region", ".spec.region"), ("Key", ".spec.keyId"), ("Grantee", ".spec.grantee")]
        ),
    }


def _account(document: Value) -> str:
    namespace: str = document["metadata"]["namespace"]
    return namespace.removeprefix("aws-")


def _state(fields: KeyFields) -> str:
    """Source: KMS Developer Guide, "Key states of KMS keys"."""
    if fields.deletion_at:
        return "PendingDeletion"
    if fields.pending_window_days:
        return "PendingReplicaDeletion"
    in_use = [material for material in fields.materials if material.state in ("CURRENT", "NON_CURRENT")]
    if not in_use or any(not material.sealed for material in in_use):
        return "PendingImport"
    return "Enabled" if fields.enabled else "Disabled"
