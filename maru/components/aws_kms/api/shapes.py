"""Documents as KMS shows them: KeyMetadata and what stands in it.

Source: AWS KMS API reference, KeyMetadata, Tag; recorded answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.aws_kms.api.vault import Vault
from maru.components.aws_kms.model.documents import Key, moment
from maru.components.aws_kms.model.specs import ALGORITHM_FIELDS, ENCRYPT, SIGN
from maru.contracts.aws_service import Members


def key_metadata(key: Key, vault: Vault, *, state: str = "") -> Members:
    """The key as DescribeKey tells it; `state` instead of its own where it is told of before it is written."""
    fields = key.fields
    state = state or key.state
    members: Members = {
        "AWSAccountId": key.account,
        "KeyId": fields.key_id,
        "Arn": key.arn,
        "CreationDate": moment(fields.created_at),
        "Enabled": state == "Enabled",
        "Description": fields.description,
        "KeyUsage": fields.key_usage,
        "KeyState": state,
        "Origin": fields.origin,
        "KeyManager": "AWS" if fields.service else "CUSTOMER",
        "CustomerMasterKeySpec": fields.key_spec if key.spec.is_legacy else None,
        "KeySpec": fields.key_spec,
        "MultiRegion": fields.multi_region,
        ALGORITHM_FIELDS[fields.key_usage]: list(key.spec.usages[fields.key_usage]),
    }
    if state == "PendingDeletion":
        members["DeletionDate"] = moment(fields.deletion_at)
    elif state == "PendingReplicaDeletion":
        members["PendingDeletionWindowInDays"] = fields.pending_window_days
    if key.is_symmetric and key.current is not None:
        members["CurrentKeyMaterialId"] = key.current.id
    if fields.origin == "EXTERNAL" and key.current is not None and key.current.sealed:
        expires = moment(key.current.expires_at)
        members["ExpirationModel"] = "KEY_MATERIAL_EXPIRES" if expires else "KEY_MATERIAL_DOES_NOT_EXPIRE"
        members["ValidTo"] = expires
    if fields.multi_region:
        members["MultiRegionConfiguration"] = _multi_region(key, vault)
    return members


def algorithms(key: Key) -> Members:
    """The algorithms of a key pair, as GetPublicKey tells them."""
    usage = key.fields.key_usage
    assert usage in (ENCRYPT, SIGN) or usage in ALGORITHM_FIELDS
    return {ALGORITHM_FIELDS[usage]: list(key.spec.usages[usage])}


def tag_list(tags: Mapping[str, str]) -> Sequence[Members]:
    """Tags as KMS spells them."""
    return [{"TagKey": name, "TagValue": value} for name, value in tags.items()]


def _multi_region(key: Key, vault: Vault) -> Members:
    primary, *replicas = vault.related(key)
    return {
        "MultiRegionKeyType": "PRIMARY" if primary.fields.region == key.fields.region else "REPLICA",
        "PrimaryKey": _regional(primary),
        "ReplicaKeys": [_regional(replica) for replica in replicas],
    }


def _regional(key: Key) -> Members:
    return {"Arn": key.arn, "Region": key.fields.region}
