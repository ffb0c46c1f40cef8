"""Key pairs: made, written, and used to sign, verify, decrypt, agree and encapsulate.

A private key is kept as PKCS #8 in DER; the key object is what `open_private` gives.
Source: FIPS 186-5, 203, 204; RFC 8017, 8032; AWS KMS Developer Guide, "Key spec reference".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from maru.components.aws_kms.engine.symmetric import invalid_ciphertext
from maru.components.aws_kms.errors import invalid, unsupported
from maru.components.aws_kms.model.specs import digest_bits

MlDsa = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
MlKem = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | MlDsa | MlKem

_HASHES: Mapping[int, HashAlgorithm] = {256: SHA256(), 384: SHA384(), 512: SHA512()}
_CURVES: Mapping[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}
_OTHERS: Mapping[str, Callable[[], Private]] = {
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey.generate,
    "ML_DSA_44": mldsa.MLDSA44PrivateKey.generate,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey.generate,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey.generate,
    "ML_KEM_768": mlkem.MLKEM768PrivateKey.generate,
    "ML_KEM_1024": mlkem.MLKEM1024PrivateKey.generate,
}
_KINDS: Mapping[str, type] = {
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey,
    "ML_DSA_44": mldsa.MLDSA44PrivateKey,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey,
    "ML_KEM_768": mlkem.MLKEM768PrivateKey,
    "ML_KEM_1024": mlkem.MLKEM1024PrivateKey,
}
_PUBLIC_EXPONENT = 65537
MU_BYTES = 64


def generate_blocking(spec: str) -> Private:
    """A new key; an RSA_4096 takes up to a few seconds."""
    if spec.startswith("RSA_"):
        return rsa.generate_private_key(_PUBLIC_EXPONENT, int(spec.removeprefix("RSA_")))
    if spec in _CURVES:
        return ec.generate_private_key(_CURVES[spec])
    return _OTHERS[spec]()


def private_bytes(key: Private) -> bytes:
    """PKCS #8 in DER."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def public_bytes(key: Private) -> bytes:
    """SubjectPublicKeyInfo in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def open_private(encoded: bytes, spec: str) -> Private | None:
    """None if it is no private key of this spec."""
    try:
        key = load_der_private_key(encoded, None)
    except (ValueError, TypeError):
        return None
    if spec.startswith("RSA_"):
        return key if isinstance(key, rsa.RSAPrivateKey) and f"RSA_{key.key_size}" == spec else None
    if spec in _CURVES:
        return key if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == _CURVES[spec].name else None
    if isinstance(key, _KINDS[spec]):
        return key  # type: ignore[return-value] # the kinds of the table are all in Private
    return None


def sign(key: Private, message: bytes, form: str, algorithm: str) -> bytes:
    """form: RAW, DIGEST or EXTERNAL_MU, checked here against the algorithm. Raises Invalid."""
    if isinstance(key, rsa.RSAPrivateKey):
        digest, pad = _hash(message, form, algorithm), _signature_padding(algorithm)
        return key.sign(message, pad, digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(_hash(message, form, algorithm)))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        _check_edwards(form, algorithm)
        return key.sign(message)
    assert isinstance(key, MlDsa)
    if _is_mu(message, form):
        return key.sign_mu(message)
    return key.sign(message)


def is_signed(key: Private, message: bytes, form: str, algorithm: str, signature: bytes) -> bool:
    """Whether the signature is of this message. Raises Invalid as `sign` does."""
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            digest, pad = _hash(message, form, algorithm), _signature_padding(algorithm)
            key.public_key().verify(signature, message, pad, digest)
        elif isinstance(key, ec.EllipticCurvePrivateKey):
            key.public_key().verify(signature, message, ec.ECDSA(_hash(message, form, algorithm)))
        elif isinstance(key, ed25519.Ed25519PrivateKey):
            _check_edwards(form, algorithm)
            key.public_key().verify(signature, message)
        else:
            assert isinstance(key, MlDsa)
            public = key.public_key()
            if _is_mu(message, form):
                public.verify_mu(signature, message)
            else:
                public.verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def encrypt_oaep(key: Private, plain: bytes, algorithm: str) -> bytes:
    """The length of `plain` was checked."""
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.public_key().encrypt(plain, _oaep(algorithm))


def decrypt_oaep(key: Private, ciphertext: bytes, algorithm: str) -> bytes:
    """Raises Invalid (InvalidCiphertextException)."""
    assert isinstance(key, rsa.RSAPrivateKey)
    try:
        return key.decrypt(ciphertext, _oaep(algorithm))
    except ValueError as error:
        raise invalid_ciphertext() from error


def agree(key: Private, public_key: bytes) -> bytes:
    """The raw shared secret of ECDH. Raises Invalid if `public_key` is none of the same curve."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    try:
        other = load_der_public_key(public_key)
    except (ValueError, TypeError) as error:
        raise invalid("The public key is not a valid DER-encoded X.509 public key.") from error
    if not isinstance(other, ec.EllipticCurvePublicKey) or other.curve.name != key.curve.name:
        raise invalid("The public key must be on the same elliptic curve as the KMS key.")
    return key.exchange(ec.ECDH(), other)


def encapsulate(key: Private) -> tuple[bytes, bytes]:
    """A shared secret of 32 bytes and the ciphertext that carries it."""
    assert isinstance(key, MlKem)
    return key.public_key().encapsulate()


def decapsulate(key: Private, ciphertext: bytes) -> bytes:
    """The shared secret; another one for a changed ciphertext, as ML-KEM rejects implicitly.

    Raises Invalid (InvalidCiphertextException) for a wrong length.
    """
    assert isinstance(key, MlKem)
    try:
        return key.decapsulate(ciphertext)
    except ValueError as error:
        raise invalid_ciphertext() from error


def _hash(message: bytes, form: str, algorithm: str) -> HashAlgorithm | Prehashed:
    bits = digest_bits(algorithm)
    if form == "RAW":
        return _HASHES[bits]
    if form != "DIGEST":
        raise invalid(f"MessageType {form} is incompatible with signing algorithm {algorithm}.")
    if len(message) * 8 != bits:
        raise invalid(f"Digest is invalid length for algorithm {algorithm}.")
    return Prehashed(_HASHES[bits])


def _signature_padding(algorithm: str) -> padding.AsymmetricPadding:
    if "PKCS1" in algorithm:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(_HASHES[digest_bits(algorithm)]), padding.PSS.DIGEST_LENGTH)


def _oaep(algorithm: str) -> padding.OAEP:
    digest: HashAlgorithm = SHA1() if algorithm.endswith("SHA_1") else SHA256()  # noqa: S303 - OAEP's own, not a signature
    return padding.OAEP(padding.MGF1(digest), digest, None)


def _check_edwards(form: str, algorithm: str) -> None:
    if algorithm == "ED25519_PH_SHA_512":
        raise unsupported("Maru cannot sign with ED25519_PH_SHA_512: use ED25519_SHA_512 with MessageType RAW.")
    if form != "RAW":
        raise invalid(f"MessageType {form} is incompatible with signing algorithm {algorithm}.")


def _is_mu(message: bytes, form: str) -> bool:
    if form == "RAW":
        return False
    if form != "EXTERNAL_MU":
        raise invalid(f"MessageType {form} is incompatible with signing algorithm ML_DSA_SHAKE_256.")
    if len(message) != MU_BYTES:
        raise invalid("Digest is invalid length for algorithm ML_DSA_SHAKE_256.")
    return True
