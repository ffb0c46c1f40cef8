"""Maru's own certificate authority: one key in a folder, server and client certificates from it.

Keys are ECDSA P-256. A client certificate's common name is the user and its organizations are the
groups, as Kubernetes reads them. Nothing outlives the authority itself.
Source: RFC 5280; Kubernetes, "PKI certificates and requirements" and "Authenticating", X.509 client certificates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from maru.core.clock import Clock
from maru.core.errors import Broken, Invalid
from maru.core.identity.files import read_blocking, write_private_blocking

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
_BACKDATE = timedelta(minutes=5)  # for clocks of others that run behind ours; kube-controller-manager does so too


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate (leaf first) and its private key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate is to say. usages: key usage bits by their x509.KeyUsage names.

    life: cut so that the certificate does not outlive the authority.
    """

    subject: x509.Name
    alternatives: Sequence[x509.GeneralName] = ()
    usages: frozenset[str] = frozenset({"digital_signature"})
    extended_usages: Sequence[x509.ObjectIdentifier] = ()
    life: timedelta = LEAF_LIFE


class CertificateAuthority:
    """Issues and signs. Immutable; safe to share."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, clock: Clock) -> None:
        self.certificate = certificate
        self._key = key
        self._clock = clock
        self.bundle = certificate.public_bytes(serialization.Encoding.PEM)  # what others verify against

    @classmethod
    def open_blocking(cls, folder: Path, clock: Clock) -> CertificateAuthority:
        """The authority kept in `folder` (ca.crt, ca.key), made if there is none.

        Raises Broken if the files cannot be read, do not match, or the authority has expired.
        """
        certificate_pem, key_pem = read_blocking(folder / "ca.crt"), read_blocking(folder / "ca.key")
        if certificate_pem is not None and key_pem is None:
            raise _broken(folder, "ca.key is missing")
        if certificate_pem is None or key_pem is None:
            # A key alone is what a crash between the two writes left: nothing was issued under it.
            made = _make(clock)
            write_private_blocking(folder / "ca.key", _key_pem(made._key))
            write_private_blocking(folder / "ca.crt", made.bundle, mode=0o644)
            return made
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            key = serialization.load_pem_private_key(key_pem, None)
        except ValueError as error:
            raise _broken(folder, str(error)) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise _broken(folder, "ca.key is not the key of ca.crt")
        if certificate.not_valid_after_utc <= clock.now():
            raise _broken(folder, f"it expired at {certificate.not_valid_after_utc}")
        return cls(certificate, key, clock)

    def issue_server(self, name: str, dns_names: Sequence[str], addresses: Sequence[str]) -> Credential:
        """For a server that answers to `dns_names` and `addresses` (IPv4 or IPv6 literals)."""
        alternatives: list[x509.GeneralName] = [x509.DNSName(dns_name) for dns_name in dns_names]
        alternatives += [x509.IPAddress(ip_address(address)) for address in addresses]
        return self._issue(
            Leaf(
                subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
                alternatives=alternatives,
                usages=frozenset({"digital_signature", "key_encipherment"}),
                extended_usages=[ExtendedKeyUsageOID.SERVER_AUTH],
            )
        )

    def issue_client(self, user: str, groups: Sequence[str] = (), life: timedelta = LEAF_LIFE) -> Credential:
        """For a client that the API server knows as `user` in `groups`."""
        return self._issue(
            Leaf(
                subject=subject_of(user, groups),
                usages=frozenset({"digital_signature", "key_encipherment"}),
                extended_usages=[ExtendedKeyUsageOID.CLIENT_AUTH],
                life=life,
            )
        )

    def sign(self, public_key: CertificatePublicKeyTypes, leaf: Leaf) -> bytes:
        """The certificate for `public_key`, PEM. Raises Invalid if what it is to say cannot be encoded."""
        now = self._clock.now().replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(leaf.subject)
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATE)
            .not_valid_after(min(now + leaf.life, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if leaf.usages:  # an empty bit string is no usage, and no client can read it
            builder = builder.add_extension(_key_usage(leaf.usages), critical=True)
        if leaf.extended_usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(leaf.extended_usages), critical=False)
        if leaf.alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(leaf.alternatives), critical=False)
        try:
            signed = builder.sign(self._key, hashes.SHA256())
        except (ValueError, TypeError) as error:
            raise Invalid(what="the certificate", why=str(error), fix="") from error
        return signed.public_bytes(serialization.Encoding.PEM)

    def _issue(self, leaf: Leaf) -> Credential:
        key = ec.generate_private_key(ec.SECP256R1())
        return Credential(self.sign(key.public_key(), leaf), _key_pem(key))


def subject_of(user: str, groups: Sequence[str]) -> x509.Name:
    """The subject that names `user` in `groups`."""
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
            x509.NameAttribute(NameOID.COMMON_NAME, user),
        ]
    )


def _make(clock: Clock) -> CertificateAuthority:
    key = ec.generate_private_key(ec.SECP256R1())
    now = clock.now().replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"maru-ca@{int(now.timestamp())}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            _key_usage(frozenset({"digital_signature", "key_encipherment", "key_cert_sign", "crl_sign"})), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return CertificateAuthority(certificate, key, clock)


def _key_usage(usages: frozenset[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital_signature" in usages,
        content_commitment="content_commitment" in usages,
        key_encipherment="key_encipherment" in usages,
        data_encipherment="data_encipherment" in usages,
        key_agreement="key_agreement" in usages,
        key_cert_sign="key_cert_sign" in usages,
        crl_sign="crl_sign" in usages,
        encipher_only="key_agreement" in usages and "encipher_only" in usages,
        decipher_only="key_agreement" in usages and "decipher_only" in usages,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _broken(folder: Path, why: str) -> Broken:
    return Broken(
        what=f"certificate authority in {folder}",
        why=why,
        fix=f"restore the files, or remove {folder} to start with a new authority (every kubeconfig changes)",
    )
