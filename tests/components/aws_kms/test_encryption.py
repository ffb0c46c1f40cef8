"""Ciphertexts: only the key, the context and every byte as they were give the plaintext back."""

from __future__ import annotations

import base64
import hmac

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from maru.components.aws_kms.model.ciphertext import context_bytes, head_of, parse
from maru.components.aws_kms.model.documents import KEYS
from maru.contracts.aws_access import AwsCaller, CallerKind, Circumstances
from maru.core.errors import Denied
from tests.components.aws_kms.conftest import ACCOUNT, ALICE, Kms, user

PLAIN = b"some \xff secret"


async def test_what_was_encrypted_decrypts_without_naming_the_key(kms: Kms) -> None:
    key = await kms.key()
    sealed = await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN, EncryptionContext={"a": "1", "b": "2"})
    assert sealed["KeyId"] == key["Arn"]
    assert PLAIN not in sealed["CiphertextBlob"]
    opened = await kms.call("Decrypt", CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"b": "2", "a": "1"})
    assert opened["Plaintext"] == PLAIN
    assert opened["KeyId"] == key["Arn"]
    assert opened["KeyMaterialId"] == key["CurrentKeyMaterialId"]


async def test_a_changed_byte_is_refused_wherever_it_is(kms: Kms) -> None:
    key = await kms.key()
    blob = (await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN))["CiphertextBlob"]
    for place in range(len(blob)):
        changed = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        assert (await kms.fails("Decrypt", CiphertextBlob=changed))[0] == "InvalidCiphertextException"
    for short in (blob[:-1], blob + b"x", b"", b"x"):
        code, _ = await kms.fails("Decrypt", CiphertextBlob=short)
        assert code in ("InvalidCiphertextException", "ValidationException")


async def test_another_context_is_refused(kms: Kms) -> None:
    key = await kms.key()
    sealed = await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN, EncryptionContext={"a": "1"})
    for context in ({}, {"a": "2"}, {"a": "1", "b": ""}):
        failure = await kms.fails("Decrypt", CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
        assert failure == ("InvalidCiphertextException", "")


async def test_another_key_is_refused_by_name(kms: Kms) -> None:
    key, other = await kms.key(), await kms.key()
    blob = (await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN))["CiphertextBlob"]
    code, text = await kms.fails("Decrypt", CiphertextBlob=blob, KeyId=other["KeyId"])
    assert code == "IncorrectKeyException"
    assert text == "The key ID in the request does not identify a CMK that can perform this operation."


async def test_two_ciphertexts_of_the_same_are_different(kms: Kms) -> None:
    key = await kms.key()
    blobs = {(await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN))["CiphertextBlob"] for _ in range(4)}
    assert len(blobs) == 4


async def test_re_encrypt_moves_to_another_key_and_context(kms: Kms) -> None:
    old, new = await kms.key(), await kms.key()
    sealed = await kms.call("Encrypt", KeyId=old["KeyId"], Plaintext=PLAIN, EncryptionContext={"a": "1"})
    moved = await kms.call(
        "ReEncrypt",
        CiphertextBlob=sealed["CiphertextBlob"],
        SourceEncryptionContext={"a": "1"},
        DestinationKeyId=new["KeyId"],
        DestinationEncryptionContext={"b": "2"},
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (old["Arn"], new["Arn"])
    opened = await kms.call("Decrypt", CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "2"})
    assert opened["Plaintext"] == PLAIN
    asked = [
        question.facts["kms:ReEncryptOnSameKey"] for question in kms.authorizer.asked if "ReEnc" in question.action
    ]
    assert asked == ["false", "false"]


@pytest.mark.parametrize(
    ("spec", "length"), [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 77}, 77)]
)
async def test_a_data_key_decrypts_from_its_sealed_form(kms: Kms, spec: dict[str, object], length: int) -> None:
    key = await kms.key()
    made = await kms.call("GenerateDataKey", KeyId=key["KeyId"], **spec)
    assert len(made["Plaintext"]) == length
    assert (await kms.call("Decrypt", CiphertextBlob=made["CiphertextBlob"]))["Plaintext"] == made["Plaintext"]
    alone = await kms.call("GenerateDataKeyWithoutPlaintext", KeyId=key["KeyId"], **spec)
    assert "Plaintext" not in alone


async def test_a_data_key_needs_one_length(kms: Kms) -> None:
    key = await kms.key()
    for spec in ({}, {"KeySpec": "AES_256", "NumberOfBytes": 32}):
        code, text = await kms.fails("GenerateDataKey", KeyId=key["KeyId"], **spec)
        assert (code, text) == ("ValidationException", "Please specify either number of bytes or key spec.")


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"])
async def test_a_data_key_pair_is_a_pair(kms: Kms, spec: str) -> None:
    key = await kms.key()
    made = await kms.call("GenerateDataKeyPair", KeyId=key["KeyId"], KeyPairSpec=spec, EncryptionContext={"a": "1"})
    private = load_der_private_key(made["PrivateKeyPlaintext"], None)
    assert private.public_key() == load_der_public_key(made["PublicKey"])
    sealed = made["PrivateKeyCiphertextBlob"]
    opened = await kms.call("Decrypt", CiphertextBlob=sealed, EncryptionContext={"a": "1"})
    assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
    alone = await kms.call("GenerateDataKeyPairWithoutPlaintext", KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_P256")
    assert "PrivateKeyPlaintext" not in alone


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
async def test_rsa_encrypts_up_to_its_bound(kms: Kms, algorithm: str) -> None:
    key = await kms.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    given = {"KeyId": key["KeyId"], "EncryptionAlgorithm": algorithm}
    longest = 214 if algorithm == "RSAES_OAEP_SHA_1" else 190
    blob = (await kms.call("Encrypt", Plaintext=b"x" * longest, **given))["CiphertextBlob"]
    assert (await kms.call("Decrypt", CiphertextBlob=blob, **given))["Plaintext"] == b"x" * longest
    code, text = await kms.fails("Encrypt", Plaintext=b"x" * (longest + 1), **given)
    assert code == "ValidationException"
    assert text == f"Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {longest} bytes."
    tampered = bytes([blob[0] ^ 1]) + blob[1:]
    assert (await kms.fails("Decrypt", CiphertextBlob=tampered, **given))[0] == "InvalidCiphertextException"
    code, text = await kms.fails("Encrypt", KeyId=key["KeyId"], Plaintext=b"x")
    assert (code, text) == (
        "InvalidKeyUsageException",
        "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.",
    )


async def test_a_key_for_something_else_does_not_encrypt(kms: Kms) -> None:
    key = await kms.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    code, text = await kms.fails("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN)
    assert code == "InvalidKeyUsageException"
    assert text == f"{key['Arn']} key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt."


async def test_a_dry_run_does_nothing_but_tell(kms: Kms) -> None:
    key = await kms.key()
    code, text = await kms.fails("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN, DryRun=True)
    assert code == "DryRunOperationException"
    assert text == "The request would have succeeded, but the DryRun option is set."
    await kms.call("DisableKey", KeyId=key["KeyId"])
    assert (await kms.fails("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN, DryRun=True))[0] == "DisabledException"


async def test_a_recipient_is_answered_honestly(kms: Kms) -> None:
    key = await kms.key()
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"}
    code, _ = await kms.fails("GenerateDataKey", KeyId=key["KeyId"], KeySpec="AES_256", Recipient=recipient)
    assert code == "UnsupportedOperationException"


async def test_random_has_the_length_asked_for(kms: Kms) -> None:
    assert len((await kms.call("GenerateRandom", NumberOfBytes=1024))["Plaintext"]) == 1024
    assert await kms.fails("GenerateRandom") == ("ValidationException", "NumberOfBytes is required.")


async def test_no_material_stands_in_a_document_in_the_clear(kms: Kms) -> None:
    key = await kms.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    (stored,) = kms.clients.all(KEYS)
    mac = (await kms.call("GenerateMac", KeyId=key["KeyId"], Message=b"m", MacAlgorithm="HMAC_SHA_256"))["Mac"]
    sealed = base64.b64decode(stored["spec"]["materials"][0]["sealed"])
    for start in range(len(sealed) - 32):
        assert hmac.digest(sealed[start : start + 32], b"m", "sha256") != mac


async def test_another_service_uses_a_managed_key_made_at_first_use(kms: Kms) -> None:
    through = AwsCaller(CallerKind.USER, ACCOUNT, ALICE.arn, ALICE.user_id, via="s3.amazonaws.com")
    circumstances = Circumstances(kms.clock.now(), "us-east-1")
    made = await kms.gives.keys.generate_data_key(through, circumstances, "alias/aws/s3", {"aws:s3:arn": "x"})
    again = await kms.gives.keys.generate_data_key(through, circumstances, "alias/aws/s3", {})
    assert made.key_arn == again.key_arn
    opened = await kms.gives.keys.decrypt(through, circumstances, made.sealed, {"aws:s3:arn": "x"})
    assert opened == made.plain
    assert (await kms.fails("Decrypt", CiphertextBlob=again.sealed))[0] == "AccessDeniedException"
    told = (await kms.call("DescribeKey", KeyId="alias/aws/s3"))["KeyMetadata"]
    assert (told["KeyManager"], told["Arn"]) == ("AWS", made.key_arn)
    for operation in ("DisableKey", "ScheduleKeyDeletion", "EnableKeyRotation"):
        assert (await kms.fails(operation, KeyId=told["KeyId"]))[0] == "AccessDeniedException"


async def test_who_may_not_look_makes_no_managed_key(kms: Kms) -> None:
    kms.authorizer.identity[ALICE.arn] = []
    assert (await kms.fails("DescribeKey", KeyId="alias/aws/s3"))[0] == "AccessDeniedException"
    assert kms.clients.all(KEYS) == []
    nobody = AwsCaller(CallerKind.ANONYMOUS, account="", arn="", user_id="", via="s3.us-east-1.amazonaws.com")
    with pytest.raises(Denied):
        await kms.gives.keys.generate_data_key(nobody, Circumstances(kms.clock.now()), "alias/aws/s3", {})


async def test_a_managed_key_is_of_the_region_that_the_service_works_in(kms: Kms) -> None:
    through = AwsCaller(CallerKind.USER, ACCOUNT, ALICE.arn, ALICE.user_id, via="s3.eu-west-1.amazonaws.com")
    made = await kms.gives.keys.generate_data_key(through, Circumstances(kms.clock.now()), "alias/aws/s3", {})
    assert made.key_arn.startswith(f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/")


async def test_a_key_of_another_account_is_used_by_its_arn(kms: Kms) -> None:
    bob = user("bob", "210987654321")
    key = await kms.key()
    blob = (await kms.call("Encrypt", KeyId=key["KeyId"], Plaintext=PLAIN))["CiphertextBlob"]
    assert (await kms.fails("Decrypt", CiphertextBlob=blob, caller=bob))[0] == "AccessDeniedException"
    await kms.call("CreateGrant", KeyId=key["KeyId"], GranteePrincipal=bob.arn, Operations=["Decrypt", "Encrypt"])
    assert (await kms.call("Decrypt", CiphertextBlob=blob, caller=bob))["Plaintext"] == PLAIN
    assert await kms.call("Encrypt", KeyId=key["Arn"], Plaintext=PLAIN, caller=bob)


@given(st.dictionaries(st.text(), st.text(), max_size=4), st.dictionaries(st.text(), st.text(), max_size=4))
def test_two_contexts_never_have_the_same_bytes(one: dict[str, str], two: dict[str, str]) -> None:
    assert (context_bytes(one) == context_bytes(two)) == (one == two)


@given(st.binary(max_size=120))
def test_bytes_that_are_no_ciphertext_parse_to_none(blob: bytes) -> None:
    head = head_of("mrk-" + "0" * 32, "0" * 64)
    assert parse(blob) is None or blob[:4] == head[:4]
    parsed = parse(head + b"0" * 44)
    assert parsed is not None and parsed.key_id == "mrk-" + "0" * 32
