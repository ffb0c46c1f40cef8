"""Material that changes: rotated, imported, expired, shared between Regions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from maru.contracts.aws_service import Members
from maru.core.errors import Conflict, MaruError
from tests.components.aws_kms.conftest import Kms

DAY_S = 86400.0
FOREVER = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}


async def sealed(kms: Kms, key: Members) -> bytes:
    blob: bytes = (await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=b"x"))["CiphertextBlob"]
    return blob


async def imported(
    kms: Kms, key: Members, material: bytes, algorithm: str = "RSAES_OAEP_SHA_256", **given: object
) -> Members:
    region = key["Arn"].split(":")[3]
    parameters = await kms.call(
        "GetParametersForImport",
        region=region,
        KeyId=key["KeyId"],
        WrappingAlgorithm=algorithm,
        WrappingKeySpec="RSA_2048",
    )
    public = load_der_public_key(parameters["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey)
    digest = SHA1() if algorithm.endswith("SHA_1") else SHA256()
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    if algorithm.startswith("RSA_AES"):
        wrapped = public.encrypt(b"w" * 32, oaep) + aes_key_wrap_with_padding(b"w" * 32, material)
    else:
        wrapped = public.encrypt(material, oaep)
    return await kms.call(
        "ImportKeyMaterial",
        region=region,
        KeyId=key["KeyId"],
        ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=wrapped,
        **(given or FOREVER),
    )


async def test_old_ciphertexts_decrypt_after_a_rotation(kms: Kms) -> None:
    key = await kms.key()
    old = await sealed(kms, key)
    assert (await kms.call("ListKeyRotations", KeyId=key["KeyId"]))["Rotations"] == []
    assert (await kms.call("RotateKeyOnDemand", KeyId=key["KeyId"]))["KeyId"] == key["Arn"]
    new = await sealed(kms, key)
    one, two = [await kms.call("Decrypt", CiphertextBlob=blob) for blob in (old, new)]
    assert one["Plaintext"] == two["Plaintext"] == b"x"
    assert one["KeyMaterialId"] != two["KeyMaterialId"]
    (rotation,) = (await kms.call("ListKeyRotations", KeyId=key["KeyId"]))["Rotations"]
    assert (rotation["RotationType"], rotation["KeyMaterialId"]) == ("ON_DEMAND", two["KeyMaterialId"])
    both = await kms.call("ListKeyRotations", KeyId=key["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")
    assert [entry["KeyMaterialState"] for entry in both["Rotations"]] == ["NON_CURRENT", "CURRENT"]


async def test_on_demand_rotations_have_a_limit(kms: Kms) -> None:
    key = await kms.key()
    for _ in range(25):
        await kms.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    assert (await kms.fails("RotateKeyOnDemand", KeyId=key["KeyId"]))[0] == "LimitExceededException"


async def test_a_rotation_on_demand_is_refused_in_awss_words(kms: Kms) -> None:
    pair = await kms.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    assert await kms.fails("RotateKeyOnDemand", KeyId=pair["KeyId"]) == ("UnsupportedOperationException", "")
    await kms.call("DisableKey", KeyId=pair["KeyId"])
    refusal = ("DisabledException", f"{pair['Arn']} is disabled.")
    assert await kms.fails("RotateKeyOnDemand", KeyId=pair["KeyId"]) == refusal
    empty = await kms.key(Origin="EXTERNAL")
    refusal = ("KMSInvalidStateException", f"{empty['Arn']} is pending import.")
    assert await kms.fails("RotateKeyOnDemand", KeyId=empty["KeyId"]) == refusal


async def test_automatic_rotation_comes_when_it_is_due(kms: Kms) -> None:
    key = await kms.key()
    await kms.call("EnableKeyRotation", KeyId=key["KeyId"], RotationPeriodInDays=90)
    status = await kms.call("GetKeyRotationStatus", KeyId=key["KeyId"])
    assert status["RotationPeriodInDays"] == 90
    assert status["NextRotationDate"] == kms.clock.now() + timedelta(days=90)
    await kms.clock.advance(90.5 * DAY_S)
    (rotation,) = (await kms.call("ListKeyRotations", KeyId=key["KeyId"]))["Rotations"]
    assert rotation["RotationType"] == "AUTOMATIC"
    await kms.call("DisableKeyRotation", KeyId=key["KeyId"])
    await kms.clock.advance(200 * DAY_S)
    assert len((await kms.call("ListKeyRotations", KeyId=key["KeyId"]))["Rotations"]) == 1
    assert not (await kms.call("GetKeyRotationStatus", KeyId=key["KeyId"]))["KeyRotationEnabled"]


async def test_only_symmetric_keys_rotate(kms: Kms) -> None:
    key = await kms.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    assert (await kms.fails("EnableKeyRotation", KeyId=key["KeyId"]))[0] == "UnsupportedOperationException"
    assert not (await kms.call("GetKeyRotationStatus", KeyId=key["KeyId"]))["KeyRotationEnabled"]
    foreign = await kms.key(Origin="EXTERNAL")
    assert await kms.fails("EnableKeyRotation", KeyId=foreign["KeyId"]) == (
        "UnsupportedOperationException",
        f"{foreign['Arn']} origin is EXTERNAL which is not valid for this operation.",
    )


@pytest.mark.parametrize(
    "algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"]
)
async def test_imported_material_is_used_and_can_be_taken_away(kms: Kms, algorithm: str) -> None:
    key = await kms.key(Origin="EXTERNAL")
    assert (key["KeyState"], key["Enabled"]) == ("PendingImport", False)
    waiting = ("KMSInvalidStateException", f"{key['Arn']} is pending import.")
    assert await kms.fails("Encrypt", KeyId=key["KeyId"], Plaintext=b"x") == waiting
    await imported(kms, key, b"\0" * 32, algorithm)
    told = (await kms.call("DescribeKey", KeyId=key["KeyId"]))["KeyMetadata"]
    assert (told["KeyState"], told["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    blob = await sealed(kms, key)
    await kms.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"])
    assert await kms.fails("Decrypt", CiphertextBlob=blob) == waiting
    with pytest.raises(MaruError) as failure:
        await imported(kms, key, b"\1" * 32, algorithm)
    assert failure.value.details["code"] == "IncorrectKeyMaterialException"
    await imported(kms, key, b"\0" * 32, algorithm)
    assert (await kms.call("Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"


async def test_imported_material_expires(kms: Kms) -> None:
    key = await kms.key(Origin="EXTERNAL")
    await imported(kms, key, b"\0" * 32, ValidTo=kms.clock.now() + timedelta(days=2))
    blob = await sealed(kms, key)
    await kms.clock.advance(1.9 * DAY_S)
    assert await kms.call("Decrypt", CiphertextBlob=blob)
    await kms.clock.advance(0.2 * DAY_S)
    assert (await kms.fails("Decrypt", CiphertextBlob=blob))[0] == "KMSInvalidStateException"
    assert (await kms.call("DescribeKey", KeyId=key["KeyId"]))["KeyMetadata"]["KeyState"] == "PendingImport"


async def test_an_import_token_is_of_one_key_and_one_day(kms: Kms) -> None:
    one, two = await kms.key(Origin="EXTERNAL"), await kms.key(Origin="EXTERNAL")
    wrapping = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    token = (await kms.call("GetParametersForImport", KeyId=one["KeyId"], **wrapping))["ImportToken"]
    given = {"EncryptedKeyMaterial": b"x", **FOREVER}
    code, _ = await kms.fails("ImportKeyMaterial", KeyId=two["KeyId"], ImportToken=token, **given)
    assert code == "InvalidImportTokenException"
    code, _ = await kms.fails("ImportKeyMaterial", KeyId=one["KeyId"], ImportToken=token, **given)
    assert code == "InvalidCiphertextException"
    assert await kms.fails("ImportKeyMaterial", KeyId=one["KeyId"], ImportToken=token, EncryptedKeyMaterial=b"x") == (
        "ValidationException",
        "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
    )
    await kms.clock.advance(25 * 3600.0)
    code, _ = await kms.fails("ImportKeyMaterial", KeyId=one["KeyId"], ImportToken=token, **given)
    assert code == "ExpiredImportTokenException"
    own = await kms.key()
    assert await kms.fails("GetParametersForImport", KeyId=own["KeyId"], **wrapping) == (
        "UnsupportedOperationException",
        f"{own['Arn']} origin is AWS_KMS which is not valid for this operation.",
    )


async def test_a_private_key_is_imported_as_pkcs8(kms: Kms) -> None:
    key = await kms.key(Origin="EXTERNAL", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    pair = ec.generate_private_key(ec.SECP256R1())
    await imported(kms, key, pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    public = (await kms.call("GetPublicKey", KeyId=key["KeyId"]))["PublicKey"]
    assert load_der_public_key(public) == pair.public_key()


async def test_new_material_is_rotated_to(kms: Kms) -> None:
    key = await kms.key(Origin="EXTERNAL")
    first = await imported(kms, key, b"\0" * 32)
    blob = await sealed(kms, key)
    assert (await kms.fails("RotateKeyOnDemand", KeyId=key["KeyId"]))[0] == "KMSInvalidStateException"
    second = await imported(kms, key, b"\1" * 32, ImportType="NEW_KEY_MATERIAL", **FOREVER)
    with pytest.raises(Conflict) as refused:
        await imported(kms, key, b"\2" * 32, ImportType="NEW_KEY_MATERIAL", **FOREVER)
    pending = f"because another key material (id: {second['KeyMaterialId']}) is pending rotation."
    assert f"cannot be imported into KMS key {key['Arn']}, {pending}" in refused.value.what
    assert (await kms.call("DescribeKey", KeyId=key["KeyId"]))["KeyMetadata"]["CurrentKeyMaterialId"] == first[
        "KeyMaterialId"
    ]
    await kms.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    assert (await kms.call("DescribeKey", KeyId=key["KeyId"]))["KeyMetadata"]["CurrentKeyMaterialId"] == second[
        "KeyMaterialId"
    ]
    assert (await kms.call("Decrypt", CiphertextBlob=blob))["KeyMaterialId"] == first["KeyMaterialId"]


async def test_a_replica_decrypts_what_the_primary_encrypted(kms: Kms) -> None:
    key = await kms.key(MultiRegion=True)
    assert key["KeyId"].startswith("mrk-")
    blob = await sealed(kms, key)
    assert (await kms.fails("Decrypt", region="eu-west-1", CiphertextBlob=blob))[0] == "InvalidCiphertextException"
    made = await kms.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion="eu-west-1")
    assert made["ReplicaKeyMetadata"]["KeyState"] == "Creating"
    told = (await kms.call("DescribeKey", region="eu-west-1", KeyId=key["KeyId"]))["KeyMetadata"]
    assert told["KeyState"] == "Enabled"
    assert told["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    assert told["MultiRegionConfiguration"]["PrimaryKey"] == {"Arn": key["Arn"], "Region": "us-east-1"}
    assert (await kms.call("Decrypt", region="eu-west-1", CiphertextBlob=blob))["Plaintext"] == b"x"
    await kms.call("RotateKeyOnDemand", KeyId=key["KeyId"])
    assert (await kms.call("Decrypt", region="eu-west-1", CiphertextBlob=await sealed(kms, key)))["Plaintext"] == b"x"
    assert (await kms.fails("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion="eu-west-1"))[
        0
    ] == "AlreadyExistsException"
    code, _ = await kms.fails("RotateKeyOnDemand", region="eu-west-1", KeyId=key["KeyId"])
    assert code == "UnsupportedOperationException"


async def test_the_primary_moves(kms: Kms) -> None:
    key = await kms.key(MultiRegion=True)
    await kms.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion="eu-west-1")
    await kms.call("UpdatePrimaryRegion", KeyId=key["KeyId"], PrimaryRegion="eu-west-1")
    for region in ("us-east-1", "eu-west-1"):
        told = (await kms.call("DescribeKey", region=region, KeyId=key["KeyId"]))["KeyMetadata"]
        assert told["MultiRegionConfiguration"]["PrimaryKey"]["Region"] == "eu-west-1"
    assert (await kms.fails("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion="us-west-2"))[
        0
    ] == "UnsupportedOperationException"


async def test_a_primary_waits_for_its_replicas_before_it_goes(kms: Kms) -> None:
    key = await kms.key(MultiRegion=True)
    await kms.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion="eu-west-1")
    told = await kms.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7)
    assert told["KeyState"] == "PendingReplicaDeletion"
    await kms.clock.advance(8 * DAY_S)
    assert await kms.call("DescribeKey", KeyId=key["KeyId"])
    await kms.call("ScheduleKeyDeletion", region="eu-west-1", KeyId=key["KeyId"], PendingWindowInDays=7)
    await kms.clock.advance(7.1 * DAY_S)
    told = (await kms.call("DescribeKey", KeyId=key["KeyId"]))["KeyMetadata"]
    assert told["KeyState"] == "PendingDeletion"
    await kms.clock.advance(7 * DAY_S)
    assert (await kms.fails("DescribeKey", KeyId=key["KeyId"]))[0] == "NotFoundException"
