"""A CertificateSigningRequest read: its state from the conditions, its content from the PKCS#10 inside.

Source: certificates.k8s.io/v1; RFC 2986.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from maru.core.access import Caller
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.core.errors import Invalid


@dataclass(frozen=True, slots=True)
class Content:
    """What the PKCS#10 asks for."""

    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    alternatives: tuple[x509.GeneralName, ...]

    @property
    def common_name(self) -> str:
        """The first, or "" if there is none."""
        names = self.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value) if names else ""

    @property
    def organizations(self) -> list[str]:
        return [str(name.value) for name in self.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]

    @property
    def is_rsa(self) -> bool:
        return isinstance(self.public_key, rsa.RSAPublicKey)

    def has(self, *kinds: type[x509.GeneralName]) -> bool:
        """True if an alternative name of one of `kinds` is asked for."""
        return any(isinstance(name, kinds) for name in self.alternatives)


def read_content(request: Value) -> Content:
    """The PKCS#10 in spec.request. Raises Invalid if it cannot be read or is not signed by its own key."""
    try:
        pem = base64.b64decode(request.get("spec", {}).get("request") or "", validate=True)
        parsed = x509.load_pem_x509_csr(pem)
        is_signed = parsed.is_signature_valid
        public_key = parsed.public_key()
        subject = parsed.subject
        extensions = parsed.extensions
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise Invalid(what="spec.request", why=f"it is no PEM encoded PKCS#10: {error}", fix="") from error
    if not is_signed:
        raise Invalid(what="spec.request", why="its signature does not fit its public key", fix="")
    try:
        alternatives = tuple(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        alternatives = ()
    return Content(subject, public_key, alternatives)


def has_condition(request: Value, kind: str) -> bool:
    """True if the condition `kind` (Approved, Denied, Failed) is there and not "False"."""
    return condition_time(request, kind) is not None


def condition_time(request: Value, kind: str) -> datetime | None:
    """When the condition `kind` was last updated; its creation if it does not say."""
    for condition in (request.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind and condition.get("status", "True") != "False":
            return parse_rfc3339(condition.get("lastUpdateTime") or request["metadata"]["creationTimestamp"])
    return None


def is_approved(request: Value) -> bool:
    """Approved, and not denied as well."""
    return has_condition(request, "Approved") and not has_condition(request, "Denied")


def is_issued(request: Value) -> bool:
    """True if the certificate is there."""
    return bool((request.get("status") or {}).get("certificate"))


def usages_of(request: Value) -> frozenset[str]:
    """spec.usages."""
    return frozenset(request.get("spec", {}).get("usages") or ())


def requestor(request: Value) -> Caller:
    """Who asked, as the API server noted it in the spec."""
    spec = request.get("spec", {})
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return Caller(spec.get("username", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra)
