"""Key files: the authority, its certificates, their renewal, sealing, the kubeconfig."""

from __future__ import annotations

import base64
import ssl
import stat
from datetime import timedelta

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from maru.core.errors import Broken, Unauthenticated
from maru.core.identity.ca import CertificateAuthority, Leaf, subject_of
from maru.core.identity.certificate import read_certificate
from maru.core.identity.kubeconfig import kubeconfig
from maru.core.identity.rotation import CHECK_S, Kept, Rotation
from maru.core.identity.seal import RootKeySealer
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def authority(tmp_path, clock):
    return CertificateAuthority.open_blocking(tmp_path / "ca", clock)


def der_of(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def test_authority_is_made_once_and_kept_private(tmp_path, clock, authority):
    again = CertificateAuthority.open_blocking(tmp_path / "ca", clock)
    assert again.bundle == authority.bundle
    assert stat.S_IMODE((tmp_path / "ca" / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700


def test_authority_without_its_key_is_broken_not_replaced(tmp_path, clock, authority):
    (tmp_path / "ca" / "ca.key").unlink()
    with pytest.raises(Broken, match=r"ca\.key is missing"):
        CertificateAuthority.open_blocking(tmp_path / "ca", clock)


def test_authority_of_another_key_is_broken(tmp_path, clock, authority):
    CertificateAuthority.open_blocking(tmp_path / "other", clock)
    (tmp_path / "other" / "ca.key").replace(tmp_path / "ca" / "ca.key")
    with pytest.raises(Broken, match="not the key"):
        CertificateAuthority.open_blocking(tmp_path / "ca", clock)


def test_server_certificate_answers_to_its_names(authority):
    certificate = x509.load_pem_x509_certificate(
        authority.issue_server("api", ["kubernetes.default"], ["10.96.0.1", "::1"]).certificate
    )
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes.default"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.96.0.1", "::1"]
    certificate.verify_directly_issued_by(authority.certificate)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_certificate_without_key_usages_has_no_such_extension(authority, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = Leaf(subject_of("jane", []), usages=frozenset(), extended_usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
    pem = authority.sign(key.public_key(), leaf)
    (tmp_path / "jane.crt").write_bytes(pem)
    (tmp_path / "jane.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    ssl.create_default_context().load_cert_chain(tmp_path / "jane.crt", tmp_path / "jane.key")
    with pytest.raises(x509.ExtensionNotFound):
        x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.KeyUsage)


def test_client_certificate_reads_back_as_its_caller(authority):
    certified = read_certificate(der_of(authority.issue_client("jane", ["a", "b"]).certificate))
    assert (certified.caller.name, certified.caller.groups) == ("jane", ("a", "b"))
    assert certified.caller.extra["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")


def test_certificate_out_of_its_period_names_nobody(authority, clock):
    certified = read_certificate(der_of(authority.issue_client("jane", life=timedelta(hours=1)).certificate))
    assert certified.valid_at(clock.now()).name == "jane"
    for moment in (clock.now() + timedelta(hours=2), clock.now() - timedelta(hours=1)):
        with pytest.raises(Unauthenticated):
            certified.valid_at(moment)


def test_server_certificate_names_no_caller(authority):
    with pytest.raises(Unauthenticated, match="not for client authentication"):
        read_certificate(der_of(authority.issue_server("api", ["x"], []).certificate))


def test_nothing_outlives_the_authority(authority):
    credential = authority.issue_client("jane", life=timedelta(days=100_000))
    certificate = x509.load_pem_x509_certificate(credential.certificate)
    assert certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def kept_in(folder, authority, renewed):
    return Kept(
        folder / "a.crt",
        folder / "a.key",
        issue=lambda: authority.issue_client("jane", life=timedelta(days=30)),
        changed=renewed.append,
    )


def expiry(folder):
    return x509.load_pem_x509_certificate((folder / "a.crt").read_bytes()).not_valid_after_utc


async def run_for(rotation, clock, seconds):
    import asyncio

    task = asyncio.ensure_future(rotation.run())
    await clock.advance(0)
    await clock.advance(seconds)
    # The look at the files happens in a thread; the next sleep shows that it is done.
    while not clock.sleeping:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_certificate_is_renewed_before_it_expires(tmp_path, clock, authority):
    renewed = []
    rotation = Rotation([kept_in(tmp_path, authority, renewed)], clock)
    assert len(rotation.ensure_blocking()) == 1
    assert len(rotation.ensure_blocking()) == 0
    first = expiry(tmp_path)
    clock.jump(19 * 86400)
    assert len(rotation.ensure_blocking()) == 0
    clock.jump(2 * 86400)
    assert len(rotation.ensure_blocking()) == 1
    assert expiry(tmp_path) > first


async def test_certificate_is_renewed_soon_after_the_machine_slept(tmp_path, clock, authority):
    renewed = []
    rotation = Rotation([kept_in(tmp_path, authority, renewed)], clock)
    rotation.ensure_blocking()
    clock.jump(365 * 86400)
    await run_for(rotation, clock, CHECK_S)
    assert len(renewed) == 1
    assert expiry(tmp_path) > clock.now()


def test_damaged_pair_is_issued_again(tmp_path, clock, authority):
    rotation = Rotation([kept_in(tmp_path, authority, [])], clock)
    rotation.ensure_blocking()
    (tmp_path / "a.key").write_bytes(authority.issue_client("x").key)
    assert len(rotation.ensure_blocking()) == 1
    (tmp_path / "a.crt").write_text("nonsense")
    assert len(rotation.ensure_blocking()) == 1


def test_sealed_bytes_open_again_after_a_restart(tmp_path):
    sealed = RootKeySealer.open_blocking(tmp_path / "root.key").seal(b"secret", b"secrets/a/b")
    assert b"secret" not in sealed
    assert RootKeySealer.open_blocking(tmp_path / "root.key").open(sealed, b"secrets/a/b") == b"secret"
    assert stat.S_IMODE((tmp_path / "root.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("position", [0, 1, 20, 30, -1])
def test_changed_sealed_bytes_do_not_open(tmp_path, position):
    sealer = RootKeySealer.open_blocking(tmp_path / "root.key")
    sealed = bytearray(sealer.seal(b"secret", b"here"))
    sealed[position] ^= 1
    with pytest.raises(Broken):
        sealer.open(bytes(sealed), b"here")


def test_sealed_bytes_do_not_open_elsewhere(tmp_path):
    sealer = RootKeySealer.open_blocking(tmp_path / "root.key")
    with pytest.raises(Broken):
        sealer.open(sealer.seal(b"secret", b"here"), b"there")
    with pytest.raises(Broken):
        RootKeySealer.open_blocking(tmp_path / "other.key").open(sealer.seal(b"secret", b"here"), b"here")
    with pytest.raises(Broken):
        sealer.open(b"", b"here")


def test_same_bytes_are_sealed_differently_each_time(tmp_path):
    sealer = RootKeySealer.open_blocking(tmp_path / "root.key")
    assert sealer.seal(b"secret", b"") != sealer.seal(b"secret", b"")


def test_kubeconfig_holds_everything(authority):
    credential = authority.issue_client("maru-admin", ["system:masters"])
    config = yaml.safe_load(kubeconfig("https://127.0.0.1:6443", authority.bundle, credential, "maru-admin"))
    assert config["current-context"] == "maru"
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert base64.b64decode(config["users"][0]["user"]["client-certificate-data"]) == credential.certificate
    subject = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert str(subject[0].value).startswith("maru-ca@")
