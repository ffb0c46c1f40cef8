"""KMS as its clients use it: the aws command line, boto3, the AWS Encryption SDK."""

from __future__ import annotations

import json
import os
import signal
import uuid
from pathlib import Path

import msgspec
import pytest
from botocore.exceptions import ClientError

from tests.clients.aws_clients import Aws
from tests.clients.platform import Kubectl, Platform, wait_until


@pytest.fixture(scope="module")
def aws(platform: Platform) -> Aws:
    return Aws.of(platform)


def refused(call: object, **parameters: object) -> str:
    with pytest.raises(ClientError) as failure:
        call(**parameters)  # type: ignore[operator] # a method of a boto3 client
    code: str = failure.value.response["Error"]["Code"]
    return code


def user(aws: Aws, policy: dict[str, object] | None = None) -> tuple[str, Aws]:
    """A new user with a policy, and its ARN."""
    iam = aws.client("iam")
    name = f"user-{uuid.uuid4().hex[:8]}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    if policy is not None:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return arn, aws.named(key["AccessKeyId"], key["SecretAccessKey"])


def test_the_encryption_sdk_seals_and_opens(aws: Aws) -> None:
    printed = aws.example("envelope_encryption.py")
    assert "decrypted: the same bytes" in printed
    assert "a disabled key is refused: DisabledException" in printed


def test_signatures_hold_outside_of_kms(aws: Aws) -> None:
    assert "the signature holds without asking KMS" in aws.example("signatures.py")


def test_the_command_line_encrypts_and_decrypts(aws: Aws, tmp_path: Path) -> None:
    key = msgspec.json.decode(aws.cli("kms", "create-key", "--description", "cli").stdout)["KeyMetadata"]
    alias = f"alias/cli-{uuid.uuid4().hex}"
    aws.cli("kms", "create-alias", "--alias-name", alias, "--target-key-id", key["KeyId"])
    note, sealed = tmp_path / "note", tmp_path / "sealed"
    note.write_bytes(os.urandom(1024))
    context = ("--encryption-context", "purpose=note")
    blob = aws.client("kms").encrypt(KeyId=alias, Plaintext=note.read_bytes(), EncryptionContext={"purpose": "note"})
    sealed.write_bytes(blob["CiphertextBlob"])
    told = msgspec.json.decode(aws.cli("kms", "decrypt", "--ciphertext-blob", f"fileb://{sealed}", *context).stdout)
    assert told["KeyId"] == key["Arn"]
    changed = bytearray(sealed.read_bytes())
    changed[-1] ^= 1
    sealed.write_bytes(changed)
    failed = aws.cli("kms", "decrypt", "--ciphertext-blob", f"fileb://{sealed}", *context, check=False)
    assert "InvalidCiphertextException" in failed.stderr


def test_key_policies_and_grants_decide(aws: Aws) -> None:
    kms = aws.client("kms")
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    admin_arn, admin = user(aws, everything)
    arn, nobody = user(aws)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = admin.client("kms").encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    policy["Statement"].append(
        {"Effect": "Deny", "Principal": {"AWS": admin_arn}, "Action": "kms:Decrypt", "Resource": "*"}
    )
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    assert refused(admin.client("kms").decrypt, CiphertextBlob=blob) == "AccessDeniedException"
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"

    assert refused(nobody.client("kms").decrypt, CiphertextBlob=blob) == "AccessDeniedException"
    grant = kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])["GrantId"]
    assert nobody.client("kms").decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert refused(nobody.client("kms").encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"
    kms.revoke_grant(KeyId=key, GrantId=grant)
    assert refused(nobody.client("kms").decrypt, CiphertextBlob=blob) == "AccessDeniedException"


def test_disabled_and_deleted_keys_are_refused(aws: Aws) -> None:
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    assert refused(kms.decrypt, CiphertextBlob=blob) == "DisabledException"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert refused(kms.decrypt, CiphertextBlob=blob) == "KMSInvalidStateException"


def test_paginators_see_every_key_once(aws: Aws) -> None:
    kms = aws.client("kms", "eu-central-1")
    made = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5)}
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    seen = [key["KeyId"] for page in pages for key in page["Keys"]]
    assert len(seen) == len(set(seen)) and made <= set(seen)


def test_kubectl_sees_keys_and_no_material(aws: Aws, platform: Platform) -> None:
    key = aws.client("kms").create_key(Description="seen by kubectl")["KeyMetadata"]["KeyId"]
    shown = Kubectl(platform, "v36", "aws-123456789012").json("get", "keys.kms.aws.maru.dev", f"us-east-1.{key}")
    assert shown["spec"]["description"] == "seen by kubectl"
    assert set(shown["spec"]["materials"][0]) <= {"id", "sealed", "createdAt", "state"}


def test_ciphertexts_outlive_a_killed_control_process(aws: Aws, platform: Platform) -> None:
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"still here")["CiphertextBlob"]
    old = platform.workers()["control"]
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: platform.workers().get("control") not in (None, old), "control is back")

    def opens() -> bool:
        try:
            return bool(kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"still here")
        except Exception:
            return False

    wait_until(opens, "the key decrypts again")
