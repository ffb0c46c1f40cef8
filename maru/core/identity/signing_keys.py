"""The key that signs service account tokens, and its public half for whoever verifies them.

RSA 2048 with RS256, the algorithm every OpenID Connect client must know. The key's id is the SHA-256
of its public half in DER, as kube-apiserver makes it. Other public keys in the folder (*.pub, PEM)
are accepted too, so a key can be replaced while its tokens live on.
Source: RFC 7517; OpenID Connect Discovery 1.0; pkg/serviceaccount/jwt.go, keyIDFromPublicKey.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, KeySet, RSAKey

from maru.core.document import Value
from maru.core.errors import Broken
from maru.core.identity.files import read_blocking, write_private_blocking

_KEY_BITS = 2048
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class SigningKeys:
    """One private key, and all public keys that tokens may be signed with."""

    def __init__(self, private: PrivateKey, others: tuple[PublicKey, ...] = ()) -> None:
        self.algorithm = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"
        self.key_id = _key_id(private.public_key())
        self.private = _imported(private, self.key_id)
        publics = (private.public_key(), *others)
        self.publics = KeySet([_imported(key, _key_id(key)) for key in publics])
        self.jwks: Value = {"keys": [_jwk(key) for key in publics]}

    @classmethod
    def open_blocking(cls, folder: Path) -> SigningKeys:
        """The key in `folder`/sa.key, made if there is none. Raises Broken if a file is no RSA or P-256 key."""
        path = folder / "sa.key"
        pem = read_blocking(path)
        if pem is None:
            made = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
            pem = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private_blocking(path, pem)
        try:
            private = serialization.load_pem_private_key(pem, None)
        except ValueError as error:
            raise _broken(path, str(error)) from error
        if not _is_usable(private):
            raise _broken(path, "it is neither RSA nor ECDSA P-256")
        assert isinstance(private, PrivateKey)
        return cls(private, tuple(_load_public_blocking(path) for path in sorted(folder.glob("*.pub"))))


def _load_public_blocking(path: Path) -> PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (ValueError, OSError) as error:
        raise _broken(path, str(error)) from error
    if not _is_usable(key):
        raise _broken(path, "it is neither RSA nor ECDSA P-256")
    assert isinstance(key, PublicKey)
    return key


def _is_usable(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1)
    return isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey)


def _imported(key: PrivateKey | PublicKey, key_id: str) -> RSAKey | ECKey:
    pem = (
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        if isinstance(key, PrivateKey)
        else _public_pem(key)
    )
    kind = RSAKey if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else ECKey
    return kind.import_key(pem, {"kid": key_id})


def _jwk(key: PublicKey) -> Value:
    members = _imported(key, _key_id(key)).as_dict(private=False)
    algorithm = "RS256" if isinstance(key, rsa.RSAPublicKey) else "ES256"
    return {**members, "use": "sig", "alg": algorithm}


def _key_id(key: PublicKey) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def _public_pem(key: PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _broken(path: Path, why: str) -> Broken:
    return Broken(
        what=f"service account key {path}", why=why, fix="restore it, or remove it (all tokens become invalid)"
    )
