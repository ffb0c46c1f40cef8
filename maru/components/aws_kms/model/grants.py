"""What a grant allows: operations, constraints, and how the policy engine is asked about it.

A grant is shown to the policy engine as one more statement of the key's policy, so that service control
policies, boundaries and explicit denies bind it as anything else.
Source: KMS Developer Guide, "Grants in AWS KMS", "Using grant constraints".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from maru.components.aws_kms.errors import invalid
from maru.components.aws_kms.model.documents import GrantFields, Key
from maru.components.aws_kms.model.specs import AGREE, ENCAPSULATE, ENCRYPT, MAC, SIGN, SYMMETRIC
from maru.core.document import Value

_ALWAYS = ("CreateGrant", "RetireGrant", "DescribeKey")
_BY_USAGE: Mapping[str, tuple[str, ...]] = {
    ENCRYPT: ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"),
    SIGN: ("Sign", "Verify"),
    MAC: ("GenerateMac", "VerifyMac"),
    AGREE: ("DeriveSharedSecret",),
    ENCAPSULATE: ("Encapsulate", "Decapsulate"),
}
_SYMMETRIC_ONLY = (
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
)
CONSTRAINED = frozenset((*_BY_USAGE[ENCRYPT], *_SYMMETRIC_ONLY))
"""Operations that have an encryption context, which constraints are about."""


def operations_of(key: Key) -> Sequence[str]:
    """What a grant on `key` can be about."""
    operations = (*_BY_USAGE[key.fields.key_usage], *_ALWAYS)
    if key.fields.key_spec == SYMMETRIC:
        return (*operations, *_SYMMETRIC_ONLY)
    return (*operations, "GetPublicKey") if key.spec.is_pair else operations


def check_operations(key: Key, operations: Iterable[str]) -> None:
    """Raises Invalid for an operation that the key cannot do."""
    known = operations_of(key)
    for operation in operations:
        if operation not in known:
            raise invalid(f"The operation {operation} is not valid for a grant on the KMS key {key.arn}.")


def allows(grant: GrantFields, operation: str, context: Mapping[str, str]) -> bool:
    """Whether the grant is about `operation` in `context`; who may use it is another question."""
    if operation not in grant.operations:
        return False
    if operation not in CONSTRAINED:
        return True
    if grant.context_equals is not None and grant.context_equals != context:
        return False
    subset = grant.context_subset or {}
    return all(context.get(name) == value for name, value in subset.items())


def with_grants(policy: Value, principals: Iterable[tuple[str, str, str]], action: str) -> Value:
    """The policy as if each grant's principal stood in it with `action`: (grant ID, ARN, service), one of them ""."""
    statements = policy["Statement"]
    more = [
        {
            "Sid": f"grant {grant_id}",
            "Effect": "Allow",
            "Principal": {"AWS": grantee} if grantee else {"Service": service},
            "Action": action,
            "Resource": "*",
        }
        for grant_id, grantee, service in principals
    ]
    return {**policy, "Statement": [*(statements if isinstance(statements, list) else [statements]), *more]}
