"""The certificate authority of a swarm: what its join tokens pin and `docker swarm ca` shows.

Source: moby/swarmkit, ca/certificates.go and ca/config.go (the form of a join token).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

LIFE = timedelta(days=20 * 365)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Authority:
    """key, certificate: PEM. subject, public_key: base64 of DER, as the API shows them."""

    key: str
    certificate: str
    subject: str
    public_key: str


def make_authority_blocking(now: datetime) -> Authority:
    """A new root, valid for 20 years."""
    # Only who makes a swarm pays for these.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "swarm-ca")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(usage, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Authority(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        certificate.public_bytes(Encoding.PEM).decode(),
        base64.b64encode(name.public_bytes()).decode(),
        base64.b64encode(public).decode(),
    )


def join_secret() -> str:
    """The part of a join token that nobody can guess: 128 bits in 25 digits."""
    return _base36(secrets.token_bytes(16), 25)


def join_token(certificate: str, secret: str) -> str:
    """SWMTKN-1, the digest of the root's certificate, the secret."""
    return f"SWMTKN-1-{_base36(hashlib.sha256(certificate.encode()).digest(), 50)}-{secret}"


def unlock_key() -> str:
    """A new one, as `docker swarm unlock-key` prints it."""
    return f"SWMKEY-1-{base64.b64encode(secrets.token_bytes(32)).decode().rstrip('=')}"


def _base36(value: bytes, width: int) -> str:
    number, text = int.from_bytes(value), ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text.rjust(width, "0")
