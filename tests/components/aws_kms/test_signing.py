"""Key pairs and HMAC keys: what they make is what any other library accepts, and nothing else is."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from tests.components.aws_kms.conftest import Kms

RSA = [f"RSASSA_{padding}_SHA_{bits}" for padding in ("PSS", "PKCS1_V1_5") for bits in (256, 384, 512)]
SIGNERS = [
    ("RSA_2048", RSA),
    ("ECC_NIST_P256", ["ECDSA_SHA_256"]),
    ("ECC_NIST_P384", ["ECDSA_SHA_384"]),
    ("ECC_NIST_P521", ["ECDSA_SHA_512"]),
    ("ECC_SECG_P256K1", ["ECDSA_SHA_256"]),
    ("ECC_NIST_EDWARDS25519", ["ED25519_SHA_512"]),
    ("ML_DSA_44", ["ML_DSA_SHAKE_256"]),
    ("ML_DSA_65", ["ML_DSA_SHAKE_256"]),
    ("ML_DSA_87", ["ML_DSA_SHAKE_256"]),
]


@pytest.mark.parametrize(("spec", "algorithms"), SIGNERS)
async def test_a_signature_is_of_one_message_and_one_key(kms: Kms, spec: str, algorithms: list[str]) -> None:
    key = await kms.key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    for algorithm in algorithms:
        assert algorithm in key["SigningAlgorithms"]
        given = {"KeyId": key["KeyId"], "SigningAlgorithm": algorithm}
        signed = await kms.call("Sign", Message=b"message", **given)
        assert (await kms.call("Verify", Message=b"message", Signature=signed["Signature"], **given))["SignatureValid"]
        for message, signature in ((b"other", signed["Signature"]), (b"message", b"x" * 64)):
            failure = await kms.fails("Verify", Message=message, Signature=signature, **given)
            assert failure == ("KMSInvalidSignatureException", "")
    assert load_der_public_key((await kms.call("GetPublicKey", KeyId=key["KeyId"]))["PublicKey"])


@pytest.mark.parametrize(("spec", "algorithms"), SIGNERS[:5])
async def test_a_digest_signs_as_its_message_does(kms: Kms, spec: str, algorithms: list[str]) -> None:
    key = await kms.key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    for algorithm in algorithms:
        given = {"KeyId": key["KeyId"], "SigningAlgorithm": algorithm}
        digest = hashlib.new(f"sha{algorithm[-3:]}", b"message").digest()
        signed = await kms.call("Sign", Message=digest, MessageType="DIGEST", **given)
        assert (await kms.call("Verify", Message=b"message", Signature=signed["Signature"], **given))["SignatureValid"]
        code, text = await kms.fails("Sign", Message=b"short", MessageType="DIGEST", **given)
        assert (code, text) == ("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")


async def test_ml_dsa_signs_a_representative(kms: Kms) -> None:
    key = await kms.key(KeySpec="ML_DSA_65", KeyUsage="SIGN_VERIFY")
    given = {"KeyId": key["KeyId"], "SigningAlgorithm": "ML_DSA_SHAKE_256"}
    public = (await kms.call("GetPublicKey", KeyId=key["KeyId"]))["PublicKey"]
    raw = load_der_public_key(public).public_bytes(Encoding.Raw, PublicFormat.Raw)
    mu = hashlib.shake_256(hashlib.shake_256(raw).digest(64) + b"\x00\x00" + b"message").digest(64)
    signed = await kms.call("Sign", Message=mu, MessageType="EXTERNAL_MU", **given)
    assert (await kms.call("Verify", Message=b"message", Signature=signed["Signature"], **given))["SignatureValid"]
    assert (await kms.fails("Sign", Message=b"x", MessageType="EXTERNAL_MU", **given))[0] == "ValidationException"


async def test_another_algorithm_than_the_keys_is_refused(kms: Kms) -> None:
    key = await kms.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    assert await kms.fails("Sign", KeyId=key["KeyId"], Message=b"m", SigningAlgorithm="ECDSA_SHA_384") == (
        "InvalidKeyUsageException",
        "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.",
    )


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
async def test_a_mac_is_of_one_message(kms: Kms, bits: int) -> None:
    key = await kms.key(KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC")
    given = {"KeyId": key["KeyId"], "MacAlgorithm": f"HMAC_SHA_{bits}"}
    made = await kms.call("GenerateMac", Message=b"message", **given)
    assert len(made["Mac"]) == bits // 8
    assert (await kms.call("VerifyMac", Message=b"message", Mac=made["Mac"], **given))["MacValid"]
    assert await kms.fails("VerifyMac", Message=b"other", Mac=made["Mac"], **given) == ("KMSInvalidMacException", "")
    assert (await kms.fails("GetPublicKey", KeyId=key["KeyId"]))[0] == "UnsupportedOperationException"


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"])
async def test_two_sides_derive_the_same_secret(kms: Kms, spec: str) -> None:
    one = await kms.key(KeySpec=spec, KeyUsage="KEY_AGREEMENT")
    two = await kms.key(KeySpec=spec, KeyUsage="KEY_AGREEMENT")
    secrets = set()
    for mine, theirs in ((one, two), (two, one)):
        public = (await kms.call("GetPublicKey", KeyId=theirs["KeyId"]))["PublicKey"]
        told = await kms.call("DeriveSharedSecret", KeyId=mine["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=public)
        secrets.add(told["SharedSecret"])
    assert len(secrets) == 1
    code, _ = await kms.fails("DeriveSharedSecret", KeyId=one["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=b"none")
    assert code == "ValidationException"


@pytest.mark.parametrize("spec", ["ML_KEM_768", "ML_KEM_1024"])
async def test_an_encapsulated_secret_comes_out_again(kms: Kms, spec: str) -> None:
    key = await kms.key(KeySpec=spec, KeyUsage="ENCAPSULATE_DECAPSULATE")
    given = {"KeyId": key["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}
    made = await kms.call("Encapsulate", **given)
    blob = made["SharedSecretCiphertextBlob"]
    assert (await kms.call("Decapsulate", SharedSecretCiphertextBlob=blob, **given))["SharedSecret"] == made[
        "SharedSecret"
    ]
    assert (await kms.fails("Decapsulate", SharedSecretCiphertextBlob=b"x", **given))[0] == "InvalidCiphertextException"
