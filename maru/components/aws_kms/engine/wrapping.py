"""How imported material travels: wrapped under an RSA key made for one import.

The import token carries the private half of that key, sealed under the root key, so that nothing has to be
kept between the two calls. Source: KMS Developer Guide, "Importing key material"; RFC 5649 (AES-KWP).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from maru.components.aws_kms.engine.pairs import (
    decrypt_oaep,
    generate_blocking,
    open_private,
    private_bytes,
    public_bytes,
)
from maru.components.aws_kms.engine.symmetric import invalid_ciphertext
from maru.components.aws_kms.errors import coded
from maru.contracts.sealer import Sealer
from maru.core.errors import Broken, Invalid

_CONTEXT = b"kms import token"


class _Token(msgspec.Struct, frozen=True, array_like=True):
    key_arn: str
    spec: str
    algorithm: str
    valid_to: datetime
    private: bytes


@dataclass(frozen=True, slots=True)
class Wrapping:
    """token: what the client must bring back; public_key: DER."""

    token: bytes
    public_key: bytes


def prepare_blocking(sealer: Sealer, key_arn: str, spec: str, algorithm: str, valid_to: datetime) -> Wrapping:
    """A wrapping key of `spec` (RSA_2048, RSA_3072, RSA_4096) for imports into one key until `valid_to`."""
    pair = generate_blocking(spec)
    token = _Token(key_arn, spec, algorithm, valid_to, private_bytes(pair))
    return Wrapping(sealer.seal(msgspec.msgpack.encode(token), _CONTEXT), public_bytes(pair))


def unwrap(sealer: Sealer, token: bytes, wrapped: bytes, key_arn: str, now: datetime) -> bytes:
    """The material. Raises Invalid with KMS's code: a wrong or late token, or material that cannot be unwrapped."""
    try:
        opened = msgspec.msgpack.decode(sealer.open(token, _CONTEXT), type=_Token)
    except (Broken, msgspec.DecodeError) as error:
        raise coded("InvalidImportTokenException") from error
    if opened.key_arn != key_arn:
        raise coded("InvalidImportTokenException")
    if opened.valid_to <= now:
        raise coded("ExpiredImportTokenException")
    pair = open_private(opened.private, opened.spec)
    assert pair is not None
    oaep = "RSAES_OAEP_SHA_1" if opened.algorithm.endswith("SHA_1") else "RSAES_OAEP_SHA_256"
    if opened.algorithm.startswith("RSAES_"):
        return decrypt_oaep(pair, wrapped, oaep)
    modulus = int(opened.spec.removeprefix("RSA_")) // 8
    try:
        return aes_key_unwrap_with_padding(decrypt_oaep(pair, wrapped[:modulus], oaep), wrapped[modulus:])
    except (InvalidUnwrap, ValueError, Invalid) as error:
        raise invalid_ciphertext() from error
