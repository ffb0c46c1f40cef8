"""Envelope encryption with the AWS Encryption SDK for Python and a KMS key of Maru.

    pip install boto3 aws-encryption-sdk
    eval "$(maru env)" && python examples/aws/envelope_encryption.py

KMS makes a data key; the SDK encrypts a megabyte with it here; only the data key, sealed by KMS, travels with
the message. A changed message, another context and a disabled key are refused.
"""

from __future__ import annotations

import logging
import os

import boto3
from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient, StrictAwsKmsMasterKeyProvider
from botocore.exceptions import ClientError

CONTEXT = {"purpose": "example", "department": "ondol"}


def main() -> None:
    kms = boto3.client("kms")
    key = kms.create_key(Description="envelope encryption example")["KeyMetadata"]
    sdk = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[key["Arn"]])

    plain = os.urandom(1024 * 1024)
    sealed, header = sdk.encrypt(source=plain, key_provider=provider, encryption_context=CONTEXT)
    print(f"{len(plain)} bytes became {len(sealed)}, with {len(header.encrypted_data_keys)} sealed data key")

    opened, header = sdk.decrypt(source=sealed, key_provider=provider)
    assert opened == plain
    assert CONTEXT.items() <= header.encryption_context.items()
    print("decrypted: the same bytes, under the same context")

    changed = bytearray(sealed)
    changed[-200] ^= 1
    try:
        sdk.decrypt(source=bytes(changed), key_provider=provider)
        raise AssertionError("a changed message was decrypted")
    except Exception as error:
        print(f"a changed message is refused: {type(error).__name__}")

    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    opened, _ = sdk.decrypt(source=sealed, key_provider=provider)
    assert opened == plain
    print("after a rotation the old message still decrypts")

    kms.disable_key(KeyId=key["KeyId"])
    try:
        kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
        raise AssertionError("a disabled key made a data key")
    except ClientError as error:
        print(f"a disabled key is refused: {error.response['Error']['Code']}")
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)


if __name__ == "__main__":
    logging.getLogger("aws_encryption_sdk").setLevel(logging.CRITICAL)  # the refused message is meant to be
    main()
