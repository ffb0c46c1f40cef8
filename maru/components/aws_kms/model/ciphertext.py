"""A symmetric ciphertext as KMS hands it out: it tells under which key and material it was made.

Form: four bytes of magic, one that tells the form of the key ID, 16 bytes key ID, 32 bytes material ID, 16
bytes salt, 12 bytes nonce, then the AES-256-GCM ciphertext with its 16 byte tag. What stands before the salt
and the encryption context are authenticated. The first bytes are AWS's own, so that blobs look alike.
Source: AWS KMS Cryptographic Details, "Encrypt"; API reference, "Encryption context".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_MAGIC = b"\x01\x02\x02\x00"
_SINGLE, _MULTI = b"\x78", b"\x79"
_HEAD_BYTES = len(_MAGIC) + 1 + 16 + 32
SALT_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """head: the bytes before the salt; body: ciphertext and tag."""

    key_id: str
    material_id: str
    head: bytes
    salt: bytes
    nonce: bytes
    body: bytes


def head_of(key_id: str, material_id: str) -> bytes:
    """The first bytes of every ciphertext under a material."""
    form = _MULTI if key_id.startswith("mrk-") else _SINGLE
    digits = key_id.removeprefix("mrk-").replace("-", "")
    return _MAGIC + form + bytes.fromhex(digits) + bytes.fromhex(material_id)


def parse(blob: bytes) -> Ciphertext | None:
    """None if it is not of this form."""
    if len(blob) < _HEAD_BYTES + SALT_BYTES + NONCE_BYTES + TAG_BYTES or blob[:4] != _MAGIC:
        return None
    form, digits = blob[4:5], blob[5:21].hex()
    if form == _SINGLE:
        key_id = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    elif form == _MULTI:
        key_id = f"mrk-{digits}"
    else:
        return None
    salt_end = _HEAD_BYTES + SALT_BYTES
    nonce_end = salt_end + NONCE_BYTES
    return Ciphertext(
        key_id,
        blob[21:_HEAD_BYTES].hex(),
        blob[:_HEAD_BYTES],
        blob[_HEAD_BYTES:salt_end],
        blob[salt_end:nonce_end],
        blob[nonce_end:],
    )


def context_bytes(context: Mapping[str, str]) -> bytes:
    """The context in one form whatever its order; two contexts never have the same."""
    parts = [b""]
    for name in sorted(context):
        for text in (name, context[name]):
            encoded = text.encode()
            parts.append(len(encoded).to_bytes(4, "big") + encoded)
    return b"".join(parts)
