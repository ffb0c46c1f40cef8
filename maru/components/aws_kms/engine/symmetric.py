"""Encryption under a symmetric key: AES-256-GCM under a key derived for every message.

The derived key is HMAC-SHA256 in counter mode over a random salt, so that random nonces stay safe for any
number of messages. Source: AWS KMS Cryptographic Details, "Encrypt"; NIST SP 800-108, 800-38D.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from maru.components.aws_kms.errors import coded
from maru.components.aws_kms.model.ciphertext import NONCE_BYTES, SALT_BYTES, Ciphertext, context_bytes
from maru.core.errors import MaruError

_LABEL = b"\x00\x00\x00\x01maru kms\x00"
_LENGTH = (256).to_bytes(4, "big")


def encrypt(material: bytes, head: bytes, plain: bytes, context: Mapping[str, str]) -> bytes:
    """The whole blob. material: 32 bytes; head: see model/ciphertext.py."""
    random = secrets.token_bytes(SALT_BYTES + NONCE_BYTES)
    salt, nonce = random[:SALT_BYTES], random[SALT_BYTES:]
    body = AESGCM(_derive(material, salt)).encrypt(nonce, plain, head + context_bytes(context))
    return b"".join((head, random, body))


def decrypt(material: bytes, ciphertext: Ciphertext, context: Mapping[str, str]) -> bytes:
    """Raises Invalid (InvalidCiphertextException) if a byte or the context is another one."""
    authenticated = ciphertext.head + context_bytes(context)
    try:
        return AESGCM(_derive(material, ciphertext.salt)).decrypt(ciphertext.nonce, ciphertext.body, authenticated)
    except InvalidTag as error:
        raise invalid_ciphertext() from error


def invalid_ciphertext() -> MaruError:
    """KMS tells nothing about why, so that nobody learns from it."""
    return coded("InvalidCiphertextException")


def material_id(key_id: str, material: bytes) -> str:
    """64 hex digits that name a material of a key; the same material in the same key has the same."""
    return hmac.digest(material, b"maru kms material " + key_id.encode(), "sha256").hex()


def _derive(material: bytes, salt: bytes) -> bytes:
    return hmac.digest(material, _LABEL + salt + _LENGTH, "sha256")
