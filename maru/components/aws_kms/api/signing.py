"""What key pairs and HMAC keys do: Sign, Verify, GenerateMac, VerifyMac, DeriveSharedSecret, Encapsulate, GetPublicKey.

Source: AWS KMS API reference of each; KMS Developer Guide, "Key spec reference".
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from maru.components.aws_kms.api.encryption import Encryption
from maru.components.aws_kms.api.gate import Access, Gate
from maru.components.aws_kms.api.shapes import algorithms
from maru.components.aws_kms.api.uses import Uses
from maru.components.aws_kms.api.vault import Target, Vault
from maru.components.aws_kms.engine.pairs import (
    Private,
    agree,
    decapsulate,
    encapsulate,
    is_signed,
    public_bytes,
    sign,
)
from maru.components.aws_kms.errors import coded, dry_run, unsupported, wrong_usage
from maru.components.aws_kms.model.documents import Key
from maru.components.aws_kms.model.specs import AGREE, ENCAPSULATE, MAC, SIGN
from maru.components.aws_kms.model.states import check_usable
from maru.contracts.aws_access import Fact
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Signing:
    """See the module."""

    def __init__(self, vault: Vault, gate: Gate, uses: Uses, encryption: Encryption) -> None:
        self._vault = vault
        self._gate = gate
        self._uses = uses
        self._encryption = encryption

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "Sign": AwsOperation(self.sign),
            "Verify": AwsOperation(self.verify),
            "GenerateMac": AwsOperation(self.generate_mac),
            "VerifyMac": AwsOperation(self.verify_mac),
            "DeriveSharedSecret": AwsOperation(self.derive),
            "Encapsulate": AwsOperation(self.encapsulate),
            "Decapsulate": AwsOperation(self.decapsulate),
            "GetPublicKey": AwsOperation(self.public_key),
        }

    async def sign(self, call: AwsCall) -> Members:
        given = call.parameters
        algorithm, form = given["SigningAlgorithm"], given.get("MessageType") or "RAW"
        target = self._reach(call, "Sign", {"kms:SigningAlgorithm": algorithm, "kms:MessageType": form})
        pair = self._pair(target.key, SIGN, algorithm, "Sign")
        signature = sign(pair, given["Message"], form, algorithm)
        self._finish(call, target, "Sign")
        return {"KeyId": target.key.arn, "Signature": signature, "SigningAlgorithm": algorithm}

    async def verify(self, call: AwsCall) -> Members:
        given = call.parameters
        algorithm, form = given["SigningAlgorithm"], given.get("MessageType") or "RAW"
        target = self._reach(call, "Verify", {"kms:SigningAlgorithm": algorithm, "kms:MessageType": form})
        pair = self._pair(target.key, SIGN, algorithm, "Verify")
        is_valid = is_signed(pair, given["Message"], form, algorithm, given["Signature"])
        self._finish(call, target, "Verify")
        if not is_valid:
            raise coded("KMSInvalidSignatureException")
        return {"KeyId": target.key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm}

    async def generate_mac(self, call: AwsCall) -> Members:
        algorithm = call.parameters["MacAlgorithm"]
        target = self._reach(call, "GenerateMac", {"kms:MacAlgorithm": algorithm})
        mac = self._mac(target.key, call.parameters, "GenerateMac")
        self._finish(call, target, "GenerateMac")
        return {"KeyId": target.key.arn, "Mac": mac, "MacAlgorithm": algorithm}

    async def verify_mac(self, call: AwsCall) -> Members:
        algorithm = call.parameters["MacAlgorithm"]
        target = self._reach(call, "VerifyMac", {"kms:MacAlgorithm": algorithm})
        mac = self._mac(target.key, call.parameters, "VerifyMac")
        self._finish(call, target, "VerifyMac")
        if not hmac.compare_digest(mac, call.parameters["Mac"]):
            raise coded("KMSInvalidMacException")
        return {"KeyId": target.key.arn, "MacValid": True, "MacAlgorithm": algorithm}

    async def derive(self, call: AwsCall) -> Members:
        given = call.parameters
        if given.get("Recipient"):
            raise unsupported(
                "Recipient is not supported: the attestation document of an enclave cannot be verified here."
            )
        algorithm = given["KeyAgreementAlgorithm"]
        target = self._reach(call, "DeriveSharedSecret", {"kms:KeyAgreementAlgorithm": algorithm})
        secret = agree(self._pair(target.key, AGREE, algorithm, "DeriveSharedSecret"), given["PublicKey"])
        self._finish(call, target, "DeriveSharedSecret")
        return {
            "KeyId": target.key.arn,
            "SharedSecret": secret,
            "KeyAgreementAlgorithm": algorithm,
            "KeyOrigin": target.key.fields.origin,
        }

    async def encapsulate(self, call: AwsCall) -> Members:
        algorithm = call.parameters["EncapsulationAlgorithm"]
        target = self._reach(call, "Encapsulate", {"kms:EncapsulationAlgorithm": algorithm})
        secret, blob = encapsulate(self._pair(target.key, ENCAPSULATE, algorithm, "Encapsulate"))
        self._finish(call, target, "Encapsulate")
        return {
            "KeyId": target.key.arn,
            "SharedSecret": secret,
            "SharedSecretCiphertextBlob": blob,
            "EncapsulationAlgorithm": algorithm,
        }

    async def decapsulate(self, call: AwsCall) -> Members:
        given = call.parameters
        algorithm = given["EncapsulationAlgorithm"]
        target = self._reach(call, "Decapsulate", {"kms:EncapsulationAlgorithm": algorithm})
        pair = self._pair(target.key, ENCAPSULATE, algorithm, "Decapsulate")
        secret = decapsulate(pair, given["SharedSecretCiphertextBlob"])
        self._finish(call, target, "Decapsulate")
        return {"KeyId": target.key.arn, "SharedSecret": secret, "EncapsulationAlgorithm": algorithm}

    async def public_key(self, call: AwsCall) -> Members:
        target = self._reach(call, "GetPublicKey", {})
        key = target.key
        if not key.spec.is_pair:
            raise unsupported(f"{key.arn} key spec is {key.spec.name} which is not valid for GetPublicKey.")
        check_usable(key)
        pair = self._encryption.current_material(key).pair
        assert pair is not None
        return {
            "KeyId": key.arn,
            "PublicKey": public_bytes(pair),
            "CustomerMasterKeySpec": key.spec.name if key.spec.is_legacy else None,
            "KeySpec": key.spec.name,
            "KeyUsage": key.fields.key_usage,
            **algorithms(key),
        }

    def _reach(self, call: AwsCall, operation: str, facts: Mapping[str, Fact]) -> Target:
        target = self._vault.find(call.account, call.region, call.parameters["KeyId"])
        self._gate.allow(call, target, operation, Access(facts, tokens=call.parameters.get("GrantTokens") or ()))
        return target

    def _pair(self, key: Key, usage: str, algorithm: str, operation: str) -> Private:
        _check(key, usage, algorithm, operation)
        pair = self._encryption.current_material(key).pair
        assert pair is not None
        return pair

    def _mac(self, key: Key, given: Members, operation: str) -> bytes:
        _check(key, MAC, given["MacAlgorithm"], operation)
        digest = "sha" + given["MacAlgorithm"].rsplit("_", 1)[1]
        return hmac.digest(self._encryption.current_material(key).secret, given["Message"], digest)

    def _finish(self, call: AwsCall, target: Target, operation: str) -> None:
        if call.parameters.get("DryRun"):
            raise dry_run()
        self._uses.note(target.key, operation, call.request_id)


def _check(key: Key, usage: str, algorithm: str, operation: str) -> None:
    if key.fields.key_usage != usage:
        raise wrong_usage(f"{key.arn} key usage is {key.fields.key_usage} which is not valid for {operation}.")
    if algorithm not in key.spec.usages[usage]:
        raise wrong_usage(f"Algorithm {algorithm} is incompatible with key spec {key.spec.name}.")
    check_usable(key)
