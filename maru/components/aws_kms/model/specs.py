"""What each key spec is for: usages, algorithms, sizes.

Source: AWS KMS Developer Guide, "Key spec reference"; API reference, CreateKey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SYMMETRIC = "SYMMETRIC_DEFAULT"
ENCRYPT, SIGN, MAC = "ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC"
AGREE, ENCAPSULATE = "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"

_OAEP = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_RSA_SIGN = (
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
)


@dataclass(frozen=True, slots=True)
class Spec:
    """usages: each with its algorithms, in the order KMS lists them. material_bytes: 0 where it is a key pair.

    is_legacy: it has a CustomerMasterKeySpec of the same name.
    """

    name: str
    usages: Mapping[str, Sequence[str]]
    material_bytes: int = 0
    is_legacy: bool = True

    @property
    def is_pair(self) -> bool:
        """There is a public key."""
        return self.material_bytes == 0


def _rsa(name: str) -> Spec:
    return Spec(name, {ENCRYPT: _OAEP, SIGN: _RSA_SIGN})


def _nist(name: str, bits: int) -> Spec:
    return Spec(name, {SIGN: (f"ECDSA_SHA_{bits}",), AGREE: ("ECDH",)})


def _hmac(bits: int) -> Spec:
    return Spec(f"HMAC_{bits}", {MAC: (f"HMAC_SHA_{bits}",)}, material_bytes=bits // 8)


_ALL = (
    Spec(SYMMETRIC, {ENCRYPT: (SYMMETRIC,)}, material_bytes=32),
    _rsa("RSA_2048"),
    _rsa("RSA_3072"),
    _rsa("RSA_4096"),
    _nist("ECC_NIST_P256", 256),
    _nist("ECC_NIST_P384", 384),
    _nist("ECC_NIST_P521", 512),
    Spec("ECC_SECG_P256K1", {SIGN: ("ECDSA_SHA_256",)}),
    Spec("ECC_NIST_EDWARDS25519", {SIGN: ("ED25519_SHA_512", "ED25519_PH_SHA_512")}, is_legacy=False),
    _hmac(224),
    _hmac(256),
    _hmac(384),
    _hmac(512),
    Spec("ML_DSA_44", {SIGN: ("ML_DSA_SHAKE_256",)}, is_legacy=False),
    Spec("ML_DSA_65", {SIGN: ("ML_DSA_SHAKE_256",)}, is_legacy=False),
    Spec("ML_DSA_87", {SIGN: ("ML_DSA_SHAKE_256",)}, is_legacy=False),
    Spec("ML_KEM_768", {ENCAPSULATE: ("ML_KEM",)}, is_legacy=False),
    Spec("ML_KEM_1024", {ENCAPSULATE: ("ML_KEM",)}, is_legacy=False),
)
SPECS: Mapping[str, Spec] = {spec.name: spec for spec in _ALL}
"""Those that can be made here."""

UNSUPPORTED = ("SM2", "ML_KEM_512")
"""Those of the model that cannot: SM2 is of the China regions, and the cryptography library has no ML-KEM-512."""

ALGORITHM_FIELDS: Mapping[str, str] = {
    ENCRYPT: "EncryptionAlgorithms",
    SIGN: "SigningAlgorithms",
    MAC: "MacAlgorithms",
    AGREE: "KeyAgreementAlgorithms",
    ENCAPSULATE: "EncapsulationAlgorithms",
}

PAIR_SPECS = tuple(name for name in SPECS if name.startswith(("RSA_", "ECC_")))
"""What GenerateDataKeyPair can make."""


def digest_bits(algorithm: str) -> int:
    """The size of the digest that an RSA or ECDSA signing algorithm signs, in bits."""
    return int(algorithm.rsplit("_", 1)[1])


def oaep_bytes_max(spec: str, algorithm: str) -> int:
    """The longest plaintext of RSAES_OAEP: the modulus less two digests and two bytes (RFC 8017, 7.1.1)."""
    digest = 20 if algorithm == "RSAES_OAEP_SHA_1" else 32
    return int(spec.rsplit("_", 1)[1]) // 8 - 2 * digest - 2
