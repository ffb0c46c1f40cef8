"""The built-in signers: what each signs, and what the certificate then says.

Source: Kubernetes, "Certificates and Certificate Signing Requests", Kubernetes signers;
pkg/apis/certificates/helpers.go (the words of each refusal).
"""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from maru.components.certificates.model.request import Content, usages_of
from maru.core.access import GROUP_MASTERS, GROUP_NODES
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.core.identity.ca import Leaf
from maru.core.identity.node_rule import USER_PREFIX

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
SIGNERS = frozenset({CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY})
LIFE_MIN = timedelta(minutes=10)

_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_EXTENDED_USAGES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": x509.ObjectIdentifier("2.16.840.1.113730.4.1"),
}


def check(signer: str, content: Content, usages: frozenset[str]) -> None:
    """Raises Invalid if `signer` (one of SIGNERS) does not sign such a request."""
    if signer == CLIENT:
        _check_client(content, usages)
    elif signer == KUBELET_CLIENT:
        check_kubelet_client(content, usages)
    elif signer == KUBELET_SERVING:
        _check_kubelet_serving(content, usages)
    for usage in usages:
        _require(usage in _KEY_USAGES or usage in _EXTENDED_USAGES, f"unrecognized usage {usage!r}")


def leaf(request: Value, content: Content, life_max: timedelta) -> Leaf:
    """What the certificate says: the request's subject, names and usages, for as long as it asks.

    spec.expirationSeconds is held between LIFE_MIN and `life_max`; without it, `life_max`.
    """
    wanted_s = request.get("spec", {}).get("expirationSeconds")
    life = life_max if wanted_s is None else min(max(timedelta(seconds=wanted_s), LIFE_MIN), life_max)
    usages = usages_of(request)
    extended = dict.fromkeys(_EXTENDED_USAGES[usage] for usage in sorted(usages) if usage in _EXTENDED_USAGES)
    return Leaf(
        subject=content.subject,
        alternatives=content.alternatives,
        usages=frozenset(_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES),
        extended_usages=list(extended),
        life=life,
    )


def check_kubelet_client(content: Content, usages: frozenset[str]) -> None:
    """Raises Invalid if the request is not one for a kubelet's client certificate."""
    _check_node_subject(content)
    _require(not content.has(x509.DNSName), "DNS subjectAltNames are not allowed")
    _require(not content.has(x509.RFC822Name), "Email subjectAltNames are not allowed")
    _require(not content.has(x509.IPAddress), "IP subjectAltNames are not allowed")
    _require(not content.has(x509.UniformResourceIdentifier), "URI subjectAltNames are not allowed")
    _check_usages(content, usages, "client auth")


def _check_kubelet_serving(content: Content, usages: frozenset[str]) -> None:
    _check_node_subject(content)
    _require(content.has(x509.DNSName, x509.IPAddress), "DNS or IP subjectAltName is required")
    _require(not content.has(x509.RFC822Name), "Email subjectAltNames are not allowed")
    _require(not content.has(x509.UniformResourceIdentifier), "URI subjectAltNames are not allowed")
    _check_usages(content, usages, "server auth")


def _check_client(content: Content, usages: frozenset[str]) -> None:
    allowed = frozenset({"digital signature", "key encipherment", "client auth"})
    _require("client auth" in usages and usages <= allowed, f"usages did not match {_listed(allowed)}")
    _require(
        GROUP_MASTERS not in content.organizations, f"use of {CLIENT} signer with {GROUP_MASTERS} group is not allowed"
    )


def _check_node_subject(content: Content) -> None:
    _require(content.organizations == [GROUP_NODES], f"subject organization is not {GROUP_NODES}")
    _require(content.common_name.startswith(USER_PREFIX), f"subject common name does not begin with {USER_PREFIX}")


def _check_usages(content: Content, usages: frozenset[str], purpose: str) -> None:
    """Exactly these; without key encipherment too, which only RSA keys can do."""
    required = frozenset({"digital signature", "key encipherment", purpose})
    _require(
        usages in (required, required - {"key encipherment"}),
        f"usages did not match {_listed(required)}",
    )


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise Invalid(what="the certificate request", why=why)


def _listed(usages: frozenset[str]) -> str:
    return f"[{' '.join(sorted(usages))}]"
