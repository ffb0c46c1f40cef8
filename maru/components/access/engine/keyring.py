"""The keys that access opens its doors with, in one folder: authority, signing key, the API's certificate.

Opened once, off the loop. The API server's and the administrator's certificates are kept fresh by
`rotation`; the administrator's kubeconfig is written whenever its content would differ.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from maru.components.access.config import AccessConfig
from maru.core.access import GROUP_MASTERS
from maru.core.clock import Clock
from maru.core.errors import Invalid
from maru.core.front.tls import ServerTls
from maru.core.identity.ca import CertificateAuthority, Credential
from maru.core.identity.files import read_blocking
from maru.core.identity.kubeconfig import admin_path, kubeconfig, write_kubeconfig_blocking
from maru.core.identity.rotation import Kept, Rotation
from maru.core.identity.signing_keys import SigningKeys
from maru.core.site import PORT_KUBERNETES, Site

ADMIN_USER = "kubernetes-admin"  # as kubeadm and kind call it: scripts ask who they are and know this name
ADMIN_ENTRY = "maru-admin"  # in the kubeconfig, so that it can be merged with those of other clusters
_EVERYWHERE = ("0.0.0.0", "::")  # listening on all addresses names none


@dataclass(frozen=True, slots=True)
class Keyring:
    """What access opens its doors with."""

    authority: CertificateAuthority
    signing_keys: SigningKeys
    tls: ServerTls
    rotation: Rotation

    @classmethod
    def open_blocking(cls, site: Site, config: AccessConfig, clock: Clock) -> Keyring:
        """Read the folder, making what is missing. Raises Broken (damaged files) or Invalid (a bad name)."""
        folder = site.folder("access")
        authority = CertificateAuthority.open_blocking(folder, clock)
        dns_names, addresses = api_names(site, config.certificate_names)
        server_files = folder / "apiserver.crt", folder / "apiserver.key"
        admin_files = folder / "admin.crt", folder / "admin.key"
        tls: list[ServerTls] = []  # made below, when its files are there
        rotation = Rotation(
            [
                Kept(
                    *server_files,
                    issue=lambda: authority.issue_server("kube-apiserver", dns_names, addresses),
                    wants=lambda certificate: _answers_to(certificate, authority, dns_names, addresses),
                    changed=lambda _: tls[0].reload(),
                ),
                Kept(
                    *admin_files,
                    issue=lambda: authority.issue_client(ADMIN_USER, [GROUP_MASTERS]),
                    wants=lambda certificate: certificate.issuer == authority.certificate.subject,
                    changed=lambda credential: _write_admin_blocking(site, authority, credential),
                ),
            ],
            clock,
        )
        rotation.ensure_blocking()
        tls.append(ServerTls(*server_files, client_ca=folder / "ca.crt"))
        _write_admin_blocking(site, authority, Credential(*(path.read_bytes() for path in admin_files)))
        return cls(
            authority,
            SigningKeys.open_blocking(folder),
            tls[0],
            rotation,
        )


def api_names(site: Site, more: Sequence[str]) -> tuple[list[str], list[str]]:
    """(DNS names, addresses) that the API server answers to. Raises Invalid for a name that is neither."""
    service_ip = ipaddress.ip_network(site.service_cidr)[1]
    domain = site.cluster_domain
    names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{domain}",
        "localhost",
        site.node_name,
    ]
    addresses = ["127.0.0.1", "::1", str(service_ip)]
    if site.listen not in (*_EVERYWHERE, *addresses):
        addresses.append(site.listen)
    for name in more:
        try:
            addresses.append(str(ipaddress.ip_address(name)))
        except ValueError:
            if not name.isascii() or not name or len(name) > 253 or set(name) & set(" /:@\t\n"):
                raise Invalid(
                    what=f"certificate name {name!r}", why="it is neither a DNS name nor an address", fix=""
                ) from None
            names.append(name)
    return list(dict.fromkeys(names)), list(dict.fromkeys(addresses))


def server_url(site: Site) -> str:
    """Where clients on this machine reach the API."""
    host = "127.0.0.1" if site.listen in _EVERYWHERE else site.listen
    return f"https://{f'[{host}]' if ':' in host else host}:{site.port(PORT_KUBERNETES)}"


def _answers_to(
    certificate: x509.Certificate, authority: CertificateAuthority, names: Sequence[str], addresses: Sequence[str]
) -> bool:
    if certificate.issuer != authority.certificate.subject:
        return False
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    have_names = set(alternatives.get_values_for_type(x509.DNSName))
    have_addresses = {str(address) for address in alternatives.get_values_for_type(x509.IPAddress)}
    return have_names == set(names) and have_addresses == set(addresses)


def _write_admin_blocking(site: Site, authority: CertificateAuthority, credential: Credential) -> None:
    text = kubeconfig(server_url(site), authority.bundle, credential, ADMIN_ENTRY)
    path: Path = admin_path(site)
    if read_blocking(path) != text.encode():
        write_kubeconfig_blocking(path, text)
