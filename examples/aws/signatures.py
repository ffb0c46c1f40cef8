"""Signatures made in KMS, checked anywhere with the public key alone.

pip install boto3 cryptography
eval "$(maru env)" && python examples/aws/signatures.py
"""

from __future__ import annotations

import boto3
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

MESSAGE = b"the floor is warm"


def main() -> None:
    kms = boto3.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    signed = kms.sign(KeyId=key["KeyId"], Message=MESSAGE, SigningAlgorithm="ECDSA_SHA_256")
    public = load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signed["Signature"], MESSAGE, ec.ECDSA(SHA256()))
    print("the signature holds without asking KMS")
    try:
        kms.verify(
            KeyId=key["KeyId"], Message=b"other", SigningAlgorithm="ECDSA_SHA_256", Signature=signed["Signature"]
        )
        raise AssertionError("a signature of another message holds")
    except kms.exceptions.KMSInvalidSignatureException:
        print("and not for another message")
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)


if __name__ == "__main__":
    main()
