"""Encrypt, Decrypt, ReEncrypt, and the data keys: what a symmetric key or an RSA encryption key does.

Source: AWS KMS API reference, Encrypt, Decrypt, ReEncrypt, GenerateDataKey, GenerateDataKeyPair.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maru.components.aws_kms.api.gate import NO_CONTEXT, Access, Asking, Gate
from maru.components.aws_kms.api.uses import Uses
from maru.components.aws_kms.api.vault import Target, Vault
from maru.components.aws_kms.engine.materials import Material
from maru.components.aws_kms.engine.pairs import (
    decrypt_oaep,
    encrypt_oaep,
    generate_blocking,
    private_bytes,
    public_bytes,
)
from maru.components.aws_kms.engine.symmetric import decrypt, encrypt, invalid_ciphertext
from maru.components.aws_kms.errors import dry_run, incorrect_key, invalid, unsupported, wrong_state, wrong_usage
from maru.components.aws_kms.model.ciphertext import Ciphertext, parse
from maru.components.aws_kms.model.documents import Key, moment
from maru.components.aws_kms.model.specs import ENCRYPT, PAIR_SPECS, SYMMETRIC, oaep_bytes_max
from maru.components.aws_kms.model.states import check_usable
from maru.contracts.aws_access import Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

_DATA_KEY_BYTES = {"AES_256": 32, "AES_128": 16}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ciphertext to open. algorithm: "" if the request named none; reference: the key it named, "" for none."""

    blob: bytes
    context: Mapping[str, str]
    algorithm: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """material_id: "" for a key pair."""

    plain: bytes
    target: Target
    algorithm: str
    material_id: str


class Encryption:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate, uses: Uses) -> None:
        self._vault = vault
        self._gate = gate
        self._uses = uses

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "Encrypt": AwsOperation(self.encrypt),
            "Decrypt": AwsOperation(self.decrypt),
            "ReEncrypt": AwsOperation(self.re_encrypt),
            "GenerateDataKey": AwsOperation(self.data_key),
            "GenerateDataKeyWithoutPlaintext": AwsOperation(self.data_key_alone),
            "GenerateDataKeyPair": AwsOperation(self.data_key_pair),
            "GenerateDataKeyPairWithoutPlaintext": AwsOperation(self.data_key_pair_alone),
            "GenerateRandom": AwsOperation(self.random),
        }

    async def encrypt(self, call: AwsCall) -> Members:
        given = call.parameters
        target = self._vault.find(call.account, call.region, given["KeyId"])
        algorithm = given.get("EncryptionAlgorithm") or SYMMETRIC
        context = given.get("EncryptionContext") or NO_CONTEXT
        self._gate.allow(call, target, "Encrypt", _access(algorithm, context, given.get("GrantTokens")))
        blob = self.seal(target.key, given["Plaintext"], algorithm, context, "Encrypt")
        _stop_if_dry(given)
        self._uses.note(target.key, "Encrypt", call.request_id)
        return {"CiphertextBlob": blob, "KeyId": target.key.arn, "EncryptionAlgorithm": algorithm}

    async def decrypt(self, call: AwsCall) -> Members:
        given = call.parameters
        _refuse_recipient(given)
        if given.get("DryRunModifiers"):
            return await self._decrypt_unread(call)
        sealed = _sealed(given, "CiphertextBlob", "EncryptionContext", "EncryptionAlgorithm", "KeyId")
        opened = self.open(call, sealed, "Decrypt", given.get("GrantTokens") or ())
        _stop_if_dry(given)
        self._uses.note(opened.target.key, "Decrypt", call.request_id)
        return {
            "KeyId": opened.target.key.arn,
            "Plaintext": opened.plain,
            "EncryptionAlgorithm": opened.algorithm,
            "KeyMaterialId": opened.material_id or None,
        }

    async def _decrypt_unread(self, call: AwsCall) -> Members:
        """A dry run with IGNORE_CIPHERTEXT: nothing but the question of access."""
        given = call.parameters
        if not given.get("DryRun") or not given.get("KeyId"):
            raise invalid("DryRunModifiers can only be used with DryRun and KeyId.")
        target = self._vault.find(call.account, call.region, given["KeyId"])
        algorithm = given.get("EncryptionAlgorithm") or SYMMETRIC
        context = given.get("EncryptionContext") or NO_CONTEXT
        self._gate.allow(call, target, "Decrypt", _access(algorithm, context, given.get("GrantTokens")))
        check_algorithm(target.key, algorithm, "Decrypt")
        check_usable(target.key)
        raise dry_run()

    async def re_encrypt(self, call: AwsCall) -> Members:
        given = call.parameters
        tokens = given.get("GrantTokens") or ()
        destination = self._vault.find(call.account, call.region, given["DestinationKeyId"])
        source = _sealed(given, "CiphertextBlob", "SourceEncryptionContext", "SourceEncryptionAlgorithm", "SourceKeyId")
        algorithm = given.get("DestinationEncryptionAlgorithm") or SYMMETRIC
        context = given.get("DestinationEncryptionContext") or NO_CONTEXT
        opened = self.open(call, source, "ReEncryptFrom", tokens, beside=destination.key)
        same = _same(opened.target.key, destination.key)
        self._gate.allow(call, destination, "ReEncryptTo", _access(algorithm, context, tokens, same))
        blob = self.seal(destination.key, opened.plain, algorithm, context, "ReEncrypt")
        _stop_if_dry(given)
        for key in (opened.target.key, destination.key):
            self._uses.note(key, "ReEncrypt", call.request_id)
        current = destination.key.current
        return {
            "CiphertextBlob": blob,
            "SourceKeyId": opened.target.key.arn,
            "KeyId": destination.key.arn,
            "SourceEncryptionAlgorithm": opened.algorithm,
            "DestinationEncryptionAlgorithm": algorithm,
            "SourceKeyMaterialId": opened.material_id or None,
            "DestinationKeyMaterialId": current.id if destination.key.is_symmetric and current else None,
        }

    async def data_key(self, call: AwsCall) -> Members:
        _refuse_recipient(call.parameters)
        return self._data_key(call, "GenerateDataKey")

    async def data_key_alone(self, call: AwsCall) -> Members:
        members = self._data_key(call, "GenerateDataKeyWithoutPlaintext")
        del members["Plaintext"]
        return members

    def _data_key(self, call: AwsCall, operation: str) -> Members:
        given = call.parameters
        length = _length_of(given)
        target = self._vault.find(call.account, call.region, given["KeyId"])
        context = given.get("EncryptionContext") or NO_CONTEXT
        plain, blob = self.make_data_key(
            call, target, operation, _access(SYMMETRIC, context, given.get("GrantTokens")), length
        )
        _stop_if_dry(given)
        self._uses.note(target.key, operation, call.request_id)
        assert target.key.current is not None
        return {
            "CiphertextBlob": blob,
            "Plaintext": plain,
            "KeyId": target.key.arn,
            "KeyMaterialId": target.key.current.id,
        }

    def make_data_key(
        self, asking: Asking, target: Target, operation: str, access: Access, length: int
    ) -> tuple[bytes, bytes]:
        """Random bytes, and them encrypted under the key; asks for `operation` before."""
        self._gate.allow(asking, target, operation, access)
        plain = secrets.token_bytes(length)
        return plain, self.seal(target.key, plain, SYMMETRIC, access.context, operation)

    async def data_key_pair(self, call: AwsCall) -> Members:
        _refuse_recipient(call.parameters)
        return await self._data_key_pair(call, "GenerateDataKeyPair")

    async def data_key_pair_alone(self, call: AwsCall) -> Members:
        members = await self._data_key_pair(call, "GenerateDataKeyPairWithoutPlaintext")
        del members["PrivateKeyPlaintext"]
        return members

    async def _data_key_pair(self, call: AwsCall, operation: str) -> Members:
        given = call.parameters
        spec: str = given["KeyPairSpec"]
        target = self._vault.find(call.account, call.region, given["KeyId"])
        context = given.get("EncryptionContext") or NO_CONTEXT
        facts: dict[str, Fact] = {"kms:DataKeyPairSpec": spec}
        self._gate.allow(call, target, operation, _access(SYMMETRIC, context, given.get("GrantTokens"), facts))
        check_algorithm(target.key, SYMMETRIC, operation)
        check_usable(target.key)
        if spec not in PAIR_SPECS:
            raise unsupported(f"KeyPairSpec {spec} is not supported in this Region.")
        _stop_if_dry(given)
        pair = await asyncio.to_thread(generate_blocking, spec)
        private = private_bytes(pair)
        blob = self.seal(target.key, private, SYMMETRIC, context, operation)
        self._uses.note(target.key, operation, call.request_id)
        assert target.key.current is not None
        return {
            "PrivateKeyCiphertextBlob": blob,
            "PrivateKeyPlaintext": private,
            "PublicKey": public_bytes(pair),
            "KeyId": target.key.arn,
            "KeyPairSpec": spec,
            "KeyMaterialId": target.key.current.id,
        }

    async def random(self, call: AwsCall) -> Members:
        given = call.parameters
        _refuse_recipient(given)
        self._gate.allow_alone(call, "GenerateRandom")
        if given.get("CustomKeyStoreId"):
            raise invalid("CustomKeyStoreId is not valid for this operation.")
        if given.get("NumberOfBytes") is None:
            raise invalid("NumberOfBytes is required.")
        return {"Plaintext": secrets.token_bytes(int(given["NumberOfBytes"]))}

    def seal(self, key: Key, plain: bytes, algorithm: str, context: Mapping[str, str], operation: str) -> bytes:
        """The ciphertext blob. Raises as KMS does for a key that cannot, or cannot now."""
        check_algorithm(key, algorithm, operation)
        check_usable(key)
        material = self.current_material(key)
        if material.pair is None:
            return encrypt(material.secret, material.head, plain, context)
        if context:
            raise invalid("EncryptionContext is only valid for symmetric encryption keys.")
        longest = oaep_bytes_max(key.spec.name, algorithm)
        if len(plain) > longest:
            raise invalid(
                f"Algorithm {algorithm} and key spec {key.spec.name} cannot encrypt data larger than {longest} bytes."
            )
        return encrypt_oaep(material.pair, plain, algorithm)

    def current_material(self, key: Key) -> Material:
        """Of a usable key. Raises Conflict if imported material has expired this moment."""
        assert key.current is not None
        expires = moment(key.current.expires_at)
        if expires is not None and expires <= self._vault.now():
            raise wrong_state(f"{key.arn} is pending import.")
        return self._vault.materials.of(key, key.current)

    def open(
        self, asking: Asking, sealed: Sealed, operation: str, tokens: Sequence[str], *, beside: Key | None = None
    ) -> Opened:
        """Decrypt, asking for `operation` before. beside: the key that it is encrypted under next, for ReEncrypt."""
        algorithm = sealed.algorithm or SYMMETRIC
        ciphertext = parse(sealed.blob) if algorithm == SYMMETRIC else None
        target = self._target(asking, sealed, ciphertext)
        same = _same(target.key, beside) if beside is not None else None
        self._gate.allow(asking, target, operation, _access(algorithm, sealed.context, tokens, same))
        key = target.key
        if sealed.reference and key.fields.key_usage != ENCRYPT:
            raise incorrect_key()
        check_algorithm(key, algorithm, operation)
        check_usable(key)
        if algorithm != SYMMETRIC:
            pair = self.current_material(key).pair
            assert pair is not None
            return Opened(decrypt_oaep(pair, sealed.blob, algorithm), target, algorithm, "")
        if ciphertext is None:
            raise invalid_ciphertext()
        if ciphertext.key_id != key.fields.key_id:
            raise incorrect_key()
        fields = next((found for found in key.fields.materials if found.id == ciphertext.material_id), None)
        if fields is None or not fields.sealed:
            raise invalid_ciphertext()
        material = self._vault.materials.of(key, fields)
        return Opened(decrypt(material.secret, ciphertext, sealed.context), target, algorithm, fields.id)

    def _target(self, asking: Asking, sealed: Sealed, ciphertext: Ciphertext | None) -> Target:
        """The key that was named, or the one under which the ciphertext says it was made."""
        if sealed.reference:
            return self._vault.find(asking.caller.account, asking.region, sealed.reference)
        if sealed.algorithm not in ("", SYMMETRIC):
            raise invalid("KeyId is required when the ciphertext was encrypted under an asymmetric KMS key.")
        if ciphertext is None:
            raise invalid_ciphertext()
        key = self._vault.key_of_ciphertext(asking.region, ciphertext.key_id)
        if key is None:
            raise invalid_ciphertext()
        return Target(key)


def check_algorithm(key: Key, algorithm: str, operation: str) -> None:
    """Raises Invalid (InvalidKeyUsageException) if the key is for something else."""
    name = "ReEncrypt" if operation.startswith("ReEncrypt") else operation
    if key.fields.key_usage != ENCRYPT:
        raise wrong_usage(f"{key.arn} key usage is {key.fields.key_usage} which is not valid for {name}.")
    if algorithm not in key.spec.usages[ENCRYPT]:
        raise wrong_usage(f"Algorithm {algorithm} is incompatible with key spec {key.spec.name}.")


def _access(
    algorithm: str, context: Mapping[str, str], tokens: Sequence[str] | None, facts: Mapping[str, Fact] | None = None
) -> Access:
    every: dict[str, Fact] = {"kms:EncryptionAlgorithm": algorithm}
    if facts:
        every |= facts
    return Access(every, context, tokens or ())


def _same(source: Key, destination: Key) -> dict[str, Fact]:
    return {"kms:ReEncryptOnSameKey": "true" if source.arn == destination.arn else "false"}


def _sealed(given: Members, blob: str, context: str, algorithm: str, reference: str) -> Sealed:
    if not given.get(blob):
        raise invalid(f"{blob} is required.")
    return Sealed(given[blob], given.get(context) or NO_CONTEXT, given.get(algorithm) or "", given.get(reference) or "")


def _length_of(given: Members) -> int:
    spec, length = given.get("KeySpec"), given.get("NumberOfBytes")
    if (spec is None) == (length is None):
        raise invalid("Please specify either number of bytes or key spec.")
    return int(length) if length is not None else _DATA_KEY_BYTES[str(spec)]


def _stop_if_dry(given: Members) -> None:
    if given.get("DryRun"):
        raise dry_run()


def _refuse_recipient(given: Members) -> None:
    """An answer to a recipient is encrypted under a key of its attestation document, which only AWS's roots prove."""
    if given.get("Recipient"):
        raise unsupported("Recipient is not supported: the attestation document of an enclave cannot be verified here.")
