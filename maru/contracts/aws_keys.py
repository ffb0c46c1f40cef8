"""Keys of AWS KMS for other services: what S3 asks when an object is to be encrypted under one.

The caller is the principal for whom the service works, with `via` set; key policies and grants decide
about it as if it had called KMS itself. Plain keys are for use, never to be kept.
Source: AWS KMS API reference, GenerateDataKey and Decrypt; "kms:ViaService".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from maru.contracts.aws_access import AwsCaller, Circumstances


@dataclass(frozen=True, slots=True)
class DataKey:
    """plain: 32 bytes; sealed: the ciphertext blob to keep; key_arn: the key it is sealed under."""

    plain: bytes
    sealed: bytes
    key_arn: str


class AwsKeys(Protocol):
    """Raises as KMS answers: NotFound, Denied, Conflict (disabled, pending deletion), with `code`."""

    async def generate_data_key(
        self, caller: AwsCaller, circumstances: Circumstances, key: str, context: Mapping[str, str]
    ) -> DataKey:
        """key: id, ARN, alias or alias ARN; alias/aws/s3 and the like are made at their first use."""
        ...

    async def decrypt(
        self, caller: AwsCaller, circumstances: Circumstances, sealed: bytes, context: Mapping[str, str]
    ) -> bytes: ...
