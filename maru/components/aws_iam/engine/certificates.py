"""Certificates and public keys as they are uploaded: read, and compared with their private keys.

Source: RFC 5280; RFC 4253 section 6.6 (SSH public keys); OpenSSH's MD5 fingerprints.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime

from maru.components.aws_iam.errors import coded


def expiry(pem: str) -> datetime:
    """When a certificate ends. Raises MalformedCertificate."""
    from cryptography import x509  # heavy, and rarely asked for

    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError as error:
        raise coded("MalformedCertificate", "Certificate is not in a valid PEM format or is malformed.") from error


def check_pair(pem: str, private_pem: str) -> None:
    """Raises MalformedCertificate, KeyPairMismatch."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise coded(
            "MalformedCertificate", "Unable to parse certificate. Please ensure the certificate is in PEM format."
        ) from error
    try:
        private = load_pem_private_key(private_pem.encode(), None)
    except (ValueError, TypeError) as error:
        raise coded("MalformedCertificate", "Unable to parse key. Please ensure the key is in PEM format.") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise coded("KeyPairMismatch", "The public key certificate and the private key do not match.")


def ssh_form(body: str) -> tuple[str, str]:
    """(the key in ssh-rsa form, its MD5 fingerprint). Raises InvalidPublicKey."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
        load_ssh_public_key,
    )

    try:
        key = load_ssh_public_key(body.encode()) if body.startswith("ssh-") else load_pem_public_key(body.encode())
        if not isinstance(key, RSAPublicKey):
            raise ValueError("IAM takes RSA keys")
        text = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        digest = hashlib.md5(base64.b64decode(text.split()[1]), usedforsecurity=False).hexdigest()
    except (ValueError, binascii.Error, IndexError) as error:
        raise coded("InvalidPublicKey", "Invalid Public Key") from error
    return text, ":".join(digest[place : place + 2] for place in range(0, 32, 2))


def pem_form(ssh_text: str) -> str:
    """A key of ssh-rsa form in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

    key = load_ssh_public_key(ssh_text.encode())
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
